package registry

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"im/internal/tlsfiles"
)

// dialer opens the connections to Redis, and counts the events after which a server may
// lack sessions: a connection ended, or there is a first connection to another server.
// That needs no permission in Redis, unlike reading the id of a server.
type dialer struct {
	tls     bool
	files   tlsfiles.Files
	timeout time.Duration

	changes atomic.Uint64
	mu      sync.Mutex
	known   map[string]struct{} // addresses of servers
}

// setTLS takes over what a client's own parameter (skip_verify) asks for.
func (d *dialer) setTLS(config *tls.Config) {
	if config != nil && config.InsecureSkipVerify {
		d.files = d.files.AnyCertificate()
	}
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	raw, err := (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	var conn net.Conn = &watchedConn{Conn: raw, changes: &d.changes}
	if d.tls {
		if conn, err = d.handshake(ctx, conn, address); err != nil {
			return nil, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.known[address]; !known {
		if d.known == nil {
			d.known = make(map[string]struct{})
		}
		d.known[address] = struct{}{}
		d.changes.Add(1)
	}
	return conn, nil
}

func (d *dialer) handshake(ctx context.Context, raw net.Conn, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	config, err := d.files.Config(host)
	if err == nil {
		conn := tls.Client(raw, config)
		if err = conn.HandshakeContext(ctx); err == nil {
			return conn, nil
		}
	}
	_ = raw.Close()
	return nil, fmt.Errorf("TLS handshake: %w", err)
}

// watchedConn counts its end as a change, unless a call took too long: a slow server
// has lost nothing.
type watchedConn struct {
	net.Conn
	changes *atomic.Uint64
	slow    atomic.Bool
}

// Read implements net.Conn.
func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.note(err)
	return n, err
}

// Write implements net.Conn.
func (c *watchedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.note(err)
	return n, err
}

func (c *watchedConn) note(err error) {
	if err != nil && os.IsTimeout(err) {
		c.slow.Store(true)
	}
}

// Close implements net.Conn.
func (c *watchedConn) Close() error {
	if !c.slow.Load() {
		c.changes.Add(1)
	}
	return c.Conn.Close()
}

// SyscallConn implements syscall.Conn, by which the client finds out that the server
// has closed an idle connection.
func (c *watchedConn) SyscallConn() (syscall.RawConn, error) {
	conn, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, syscall.EINVAL
	}
	return conn.SyscallConn()
}
