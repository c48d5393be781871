package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"im/internal/app"
)

const minDrain = time.Second

// serveCmd runs one node until a signal stops it.
type serveCmd struct {
	Addr     string        `default:":8080" help:"Address to listen on, such as 127.0.0.1:8080 or :8080 for all interfaces."`
	Drain    time.Duration `default:"30s" help:"How long the node may take to stop after SIGTERM. A third of it is for the clients to reconnect elsewhere."`
	NodeName string        `placeholder:"HOST" help:"Name of the node. Its id is this name with a suffix that differs at each start. By default the name of the host."`

	app.Services
	app.Tokens
	app.Rules
	app.Edge
	app.Log
	app.Operation
	app.Tracing
	Certificate app.TLS `embed:""`
	debugging
}

// Run implements the command.
func (c *serveCmd) Run(ctx context.Context, std streams) error {
	if err := c.checkDrain(); err != nil {
		return usageError{err}
	}
	logger, level := c.Variable(std.err)
	defer app.TuneGC()()
	secure, err := c.Certificate.Config(logger)
	if err != nil {
		return usageError{err}
	}
	c.TLS = secure // of the admin address
	// The port comes first: if another node has it, this one fails before it touches
	// the services.
	listener, err := listen(ctx, c.Addr)
	if err != nil {
		return usageError{err}
	}
	stopDebugging, err := c.startDebugging(ctx, logger)
	if err != nil {
		_ = listener.Close()
		return usageError{err}
	}
	defer stopDebugging()
	admins, err := c.OpenAdmins(ctx, 1, logger)
	if err != nil {
		_ = listener.Close()
		return usageError{err}
	}
	defer admins[0].Close()
	admins[0].Handle("/log-level", app.LogLevel(level, logger))
	started := app.AnswerWhileStarting(listener, secure)
	n, err := app.New(ctx, c.options(logger, admins[0]))
	started()
	if err != nil {
		_ = listener.Close()
		if ctx.Err() != nil {
			return nil // a signal stopped it while it started
		}
		return usageError{err}
	}
	defer n.Close()
	logger.InfoContext(ctx, "serving", "addr", listener.Addr().String(), "tls", secure != nil, "node_id", string(n.ID()))
	return stopping(logger, n.Run(ctx, listener))
}

// options returns the options of the node.
func (c *serveCmd) options(logger *slog.Logger, admin *app.Admin) app.Options {
	return app.Options{
		Name: cmp.Or(c.NodeName, hostName()), Services: c.Services, Tokens: c.Tokens, Rules: c.Rules, Edge: c.Edge, Logger: logger, Stop: c.Drain,
		Admin: admin, TLS: c.TLS, Operation: c.Operation, Tracing: c.Tracing, Version: versionText(),
	}
}

func (c *serveCmd) checkDrain() error {
	if c.Drain < minDrain {
		return fmt.Errorf("IM_DRAIN must be at least %s", minDrain)
	}
	return nil
}

// check validates the settings without any service.
func (c *serveCmd) check() error {
	_, err := c.Certificate.Config(slog.New(slog.DiscardHandler))
	return errors.Join(c.checkDrain(), err, app.Check(c.options(slog.New(slog.DiscardHandler), nil)))
}

// stopping logs the end of a node and returns its error.
func stopping(logger *slog.Logger, err error) error {
	logger.Info("stopped", "clean", err == nil)
	return err
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("IM_ADDR: %w", err)
	}
	return listener, nil
}

// hostName returns the name of the host without its domain. Characters that the name
// of a node cannot have become dashes.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "node"
	}
	name, _, _ = strings.Cut(name, ".")
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, name)
	if name == "" {
		return "node"
	}
	return name[:min(len(name), 63)]
}
