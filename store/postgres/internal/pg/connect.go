package pg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// connect opens a connection. change may be nil.
func (c *Config) connect(ctx context.Context, l *locator, change func(*pgx.ConnConfig)) (*pgx.Conn, error) {
	config := c.pool.ConnConfig.Copy()
	if change != nil {
		change(config)
	}
	if err := l.choose(ctx, config); err != nil {
		return nil, err
	}
	cancelOnlyDirect(config) // after the connections by which choose looks for the primary
	return pgx.ConnectConfig(ctx, config)
}

var errNoCancel = errors.New("cancel requests go only to the server itself")

// directKey is the key of a connection's custom data that says whether it is known to go to
// the server itself.
const directKey = "im.direct"

// cancelOnlyDirect makes a connection send no cancel request before permitCancel. The driver
// sends one when it gives a statement up: a second connection to the same address. PgBouncer
// 1.18 and 1.19 may crash if that one is closed early, as it is when the statement ends at the
// same moment. Behind a pooler, the server ends the statement by its timeout.
func cancelOnlyDirect(config *pgx.ConnConfig) {
	var connected, direct atomic.Bool
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		if connected.Load() && !direct.Load() {
			return nil, errNoCancel
		}
		return dial(ctx, network, address)
	}
	config.AfterConnect = func(_ context.Context, conn *pgconn.PgConn) error {
		conn.CustomData()[directKey] = &direct
		connected.Store(true)
		return nil
	}
}

// permitCancel lets a connection send cancel requests, because no pooler is in between.
func permitCancel(conn *pgx.Conn) {
	if direct, ok := conn.PgConn().CustomData()[directKey].(*atomic.Bool); ok {
		direct.Store(true)
	}
}

const (
	// headStart is how long a server has to answer before the next one is tried as well.
	headStart = 300 * time.Millisecond
	// foundFor is how long the primary that was found is used without looking again, so
	// that connections that begin together look once.
	foundFor = time.Second
)

// locator finds the primary among the servers of a URL, or among the addresses of a name.
// It tries all of them at the same time, with a head start for the one that was the
// primary last: one that hangs delays the others by the head start and not by its whole
// timeout.
type locator struct {
	config *Config
	turn   chan struct{} // holds an element while one goroutine looks
	last   host          // the last primary; guarded by turn, as found is
	found  time.Time     // when it was found
}

func newLocator(c *Config) *locator { return &locator{config: c, turn: make(chan struct{}, 1)} }

// choose restricts the configuration to the primary. If the URL has one server with one
// address, there is nothing to choose.
func (l *locator) choose(ctx context.Context, config *pgx.ConnConfig) error {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.turn }()
	if time.Since(l.found) >= foundFor {
		hosts := l.candidates(ctx)
		if len(hosts) == 1 {
			hosts[0].choose(&config.Config)
			return nil
		}
		n, err := look(ctx, hosts, config)
		if err != nil {
			return err
		}
		l.last, l.found = hosts[n], time.Now()
	}
	l.last.choose(&config.Config)
	return nil
}

// candidates returns the servers, the last primary first. A name with several addresses
// is several servers, unless it is this machine.
func (l *locator) candidates(ctx context.Context) (list []host) {
	for _, h := range l.config.hosts {
		addresses := h.resolve(ctx, l.config.pool.ConnConfig.LookupFunc)
		if len(addresses) < 2 {
			list = append(list, h)
			continue
		}
		for _, address := range addresses {
			list = append(list, h.at(address))
		}
	}
	last := slices.IndexFunc(list, func(h host) bool { return h.address() == l.last.address() })
	if last > 0 {
		list = slices.Concat(list[last:last+1], list[:last], list[last+1:])
	}
	return list
}

// resolve returns the addresses of a name, or none.
func (h host) resolve(ctx context.Context, lookup pgconn.LookupFunc) []string {
	if network, _ := pgconn.NetworkAddress(h.primary.Host, h.primary.Port); network == "unix" || net.ParseIP(h.primary.Host) != nil {
		return nil
	}
	addresses, err := lookup(ctx, h.primary.Host)
	if err != nil {
		return nil // the connection fails with the same error
	}
	if !slices.ContainsFunc(addresses, func(a string) bool { return !net.ParseIP(a).IsLoopback() }) {
		return nil
	}
	return addresses
}

// at returns the server with another address. TLS expects the same name.
func (h host) at(address string) host {
	h.primary.Host = address
	fallbacks := make([]*pgconn.FallbackConfig, len(h.fallbacks))
	for i, way := range h.fallbacks {
		fallbacks[i] = &pgconn.FallbackConfig{Host: address, Port: way.Port, TLSConfig: way.TLSConfig}
	}
	h.fallbacks = fallbacks
	return h
}

// attempt is the outcome of connecting to one server.
type attempt struct {
	host int
	err  error
}

// look returns the index of the first server that answers as a primary.
func look(ctx context.Context, hosts []host, config *pgx.ConnConfig) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	outcomes := make(chan attempt, len(hosts))
	next := time.NewTimer(0)
	defer next.Stop()
	var errs []error
	for started, ended := 0, 0; ended < len(hosts); {
		due := next.C
		if started == len(hosts) {
			due = nil
		}
		select {
		case <-due:
			n := started
			go func() { outcomes <- attempt{n, hosts[n].probe(ctx, config)} }()
			started++
			next.Reset(headStart)
		case a := <-outcomes:
			ended++
			if a.err == nil {
				return a.host, nil
			}
			errs = append(errs, fmt.Errorf("%s: %w", hosts[a.host].address(), a.err))
			next.Reset(0)
		}
	}
	return 0, noPrimary(errs)
}

// noPrimary joins the errors of all servers. One that is not about reaching a server, such
// as a wrong password, is among them.
func noPrimary(errs []error) error {
	return fmt.Errorf("no server of the URL is a primary that answers: %w", errors.Join(errs...))
}

// probe connects to the server and closes the connection again.
func (h host) probe(ctx context.Context, config *pgx.ConnConfig) error {
	one := config.Copy()
	h.choose(&one.Config)
	conn, err := pgconn.ConnectConfig(ctx, &one.Config)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func (h host) address() string {
	return net.JoinHostPort(h.primary.Host, strconv.Itoa(int(h.primary.Port)))
}

// abandon closes the socket of a connection that an attempt has given up. The driver would
// wait for the server for up to 15 s, and keep the place in the pool until then.
func abandon(conn *pgx.Conn) {
	if conn.IsClosed() {
		_ = conn.PgConn().Conn().Close()
	}
}
