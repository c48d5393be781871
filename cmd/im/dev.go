package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sync/errgroup"

	"im/internal/app"
	"im/internal/devservices"
	"im/routing/broker"
)

// devSecret signs tokens when no secret is set. Everyone can know it, so it is used
// on the loopback interface only.
const devSecret = "im dev: known to everyone, good on loopback only" //nolint:gosec // not a secret

const (
	devAddr  = "127.0.0.1:8080"
	devPorts = 100 // how many ports to try, from the first one
)

// devCmd runs a whole cluster in one process.
type devCmd struct {
	Nodes       int    `default:"1" help:"Number of nodes, 1 to 16. They work together as nodes on several machines do."`
	Addr        string `placeholder:"127.0.0.1:8080" help:"Address of the first node. The others use the next ports. By default ${default_addr}, or the next free port."`
	Data        string `placeholder:"${default_data}" help:"Folder of the data, which is kept between runs. By default ${default_data}."`
	Ephemeral   bool   `help:"Use a temporary folder and delete it at the end."`
	PostgresBin string `name:"postgres-bin" placeholder:"FOLDER" help:"Folder that holds initdb and postgres. By default the usual places are searched."`

	app.Tokens
	app.Rules
	app.Edge
	app.Log
	app.Operation
	app.Tracing
	debugging
}

// Run implements the command.
func (c *devCmd) Run(ctx context.Context, std streams) error {
	if c.Nodes < 1 || c.Nodes > 16 {
		return usageError{errors.New("--nodes must be 1 to 16")}
	}
	if c.Ephemeral && c.Data != "" {
		return usageError{errors.New("--ephemeral uses a temporary folder, and --data (IM_DATA) names one: use one of them")}
	}
	c.Data = cmp.Or(c.Data, defaultData)
	logger := c.Logger(std.err)
	defer app.TuneGC()()
	listeners, err := c.listen(ctx)
	if err != nil {
		return usageError{err}
	}
	defer closeAll(listeners)
	if len(c.Webhooks.Allow) == 0 { // the app is on this machine, too
		c.Webhooks.Allow = []string{"127.0.0.0/8", "::1"}
	}
	if err := c.chooseSecret(listeners[0]); err != nil {
		return usageError{err}
	}
	stopDebugging, err := c.startDebugging(ctx, logger)
	if err != nil {
		return usageError{err}
	}
	defer stopDebugging()
	admins, err := c.OpenAdmins(ctx, c.Nodes, logger)
	if err != nil {
		return usageError{err}
	}
	defer func() {
		for _, a := range admins {
			a.Close()
		}
	}()
	if err := c.checkAdmins(admins); err != nil {
		return usageError{err}
	}
	if c.Ephemeral {
		if c.Data, err = os.MkdirTemp("", "im-dev-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(c.Data) }()
	}
	if c.Attachments.Storage == "" {
		folder, err := filepath.Abs(filepath.Join(c.Data, "files"))
		if err != nil {
			return err
		}
		c.Attachments.Storage = (&url.URL{Scheme: "file", Path: filepath.ToSlash(folder)}).String()
	}
	return c.serve(ctx, std, logger, listeners, admins)
}

// serve runs the services and the nodes until ctx ends.
func (c *devCmd) serve(ctx context.Context, std streams, logger *slog.Logger, listeners []net.Listener, admins []*app.Admin) error {
	_, _ = fmt.Fprintln(std.err, "im dev: starting")
	progress := slog.New(progressHandler{w: std.err})
	database, err := devservices.Open(ctx, devservices.Options{Dir: c.Data, Bin: c.PostgresBin, Logger: progress})
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return usageError{err}
	}
	defer func() {
		if err := database.Close(); err != nil {
			logger.Error("PostgreSQL did not stop cleanly", "error", err)
		}
	}()
	if err := c.chooseVAPIDKey(); err != nil {
		return err
	}
	redis, err := devservices.OpenRedis()
	if err != nil {
		return err
	}
	defer redis.Close()

	nodes, err := c.open(ctx, logger, database.URL(), redis.URL(), listeners, admins)
	defer func() {
		for _, n := range nodes {
			n.Close()
		}
	}()
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return usageError{err}
	}
	urls, adminAt := urlsOf(listeners), adminURLs(admins)
	if err := writeDevInfo(c.Data, devInfo{URLs: urls, AdminURLs: adminAt, DatabaseURL: database.URL()}); err != nil {
		return err
	}
	defer func() { _ = os.Remove(devInfoPath(c.Data)) }()
	return runAll(ctx, nodes, listeners, database.Done(), func() error { return c.welcome(std.out, urls, adminAt, database.URL()) })
}

// open creates the nodes. They share the services, as nodes on several machines do.
func (c *devCmd) open(
	ctx context.Context, logger *slog.Logger, databaseURL, redisURL string, listeners []net.Listener, admins []*app.Admin,
) ([]*app.Node, error) {
	origins, err := c.Origins(c.Rules, slog.New(slog.DiscardHandler)) // the nodes log the same
	if err != nil {
		return nil, err
	}
	inProcess := broker.NewInProcess(logger)
	var nodes []*app.Node
	for i, listener := range listeners {
		n, err := app.New(ctx, app.Options{
			Name: "dev" + strconv.Itoa(i+1),
			Services: app.Services{
				DatabaseURL: databaseURL, RedisURL: redisURL, Prefix: "im", Migrate: "auto", StartTimeout: devStartTimeout,
			},
			Tokens: c.Tokens, Rules: c.Rules, Edge: c.Edge, Logger: logger.With("node", i+1), Broker: inProcess, Drain: devDrain, Admin: admins[i],
			Operation: c.Operation, Tracing: c.Tracing, Version: versionText(),
			Extra: map[string]http.Handler{devTokenPath: newTokenHandler(c.Signing, listener.Addr(), origins)},
		})
		if err != nil {
			return nodes, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// runAll runs the nodes until ctx ends, or until one of them or the database ends.
// It calls greet once all of them are ready.
func runAll(ctx context.Context, nodes []*app.Node, listeners []net.Listener, databaseDone <-chan struct{}, greet func() error) error {
	g, ctx := errgroup.WithContext(ctx)
	for i, n := range nodes {
		g.Go(func() error { return n.Run(ctx, listeners[i]) })
	}
	g.Go(func() error {
		for _, n := range nodes {
			if !n.AwaitReady(ctx) {
				return nil
			}
		}
		return greet()
	})
	g.Go(func() error {
		select {
		case <-ctx.Done():
			return nil
		case <-databaseDone:
			return errors.New("PostgreSQL has stopped unexpectedly; its log is postgres/server.log in the data folder")
		}
	})
	return g.Wait()
}

// listen opens the ports of all nodes. A requested address must be free; without
// one, the first node uses the next free port.
func (c *devCmd) listen(ctx context.Context) (listeners []net.Listener, err error) {
	requested := c.Addr != ""
	if !requested {
		c.Addr = devAddr
	}
	host, text, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return nil, fmt.Errorf("IM_ADDR: %w", err)
	}
	first, err := net.DefaultResolver.LookupPort(ctx, "tcp", text)
	if err != nil {
		return nil, fmt.Errorf("IM_ADDR: %w", err)
	}
	for port := first; len(listeners) < c.Nodes; port++ {
		listener, err := listen(ctx, net.JoinHostPort(host, strconv.Itoa(port)))
		switch {
		case err == nil:
			listeners = append(listeners, listener)
		case requested && len(listeners) == 0, port-first > devPorts:
			closeAll(listeners)
			return nil, err
		}
		if first == 0 {
			port = -1 // port 0 was requested: a free port for each
		}
	}
	return listeners, nil
}

// chooseSecret falls back to the development secret, if only this machine can reach
// the node.
func (c *devCmd) chooseSecret(listener net.Listener) error {
	if c.Secret != "" || len(c.JWKSURLs) > 0 {
		return nil
	}
	if addr, ok := listener.Addr().(*net.TCPAddr); !ok || !addr.IP.IsLoopback() {
		return fmt.Errorf("IM_JWT_SECRET is required to listen on %s: the development secret is for loopback addresses only", listener.Addr())
	}
	c.Secret = devSecret
	return nil
}

// checkAdmins refuses the development secret where other machines reach an admin address,
// which serves the API, too.
func (c *devCmd) checkAdmins(admins []*app.Admin) error {
	for _, a := range admins {
		if addr, err := netip.ParseAddrPort(a.Addr()); err == nil && !addr.Addr().IsLoopback() && c.Secret == devSecret {
			return fmt.Errorf("IM_JWT_SECRET is required for the admin address %s: the development secret is for loopback addresses only", a.Addr())
		}
	}
	return nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

func urlsOf(listeners []net.Listener) []string {
	var urls []string
	for _, l := range listeners {
		addr, _ := l.Addr().(*net.TCPAddr)
		host := addr.IP.String()
		if addr.IP.IsUnspecified() {
			host = "localhost"
		}
		urls = append(urls, "http://"+net.JoinHostPort(host, strconv.Itoa(addr.Port)))
	}
	return urls
}
