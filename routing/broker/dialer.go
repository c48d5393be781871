package broker

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
)

const (
	dialTimeout      = time.Second
	handshakeTimeout = 5 * time.Second // RabbitMQ answers a wrong password after 3 s
	closeTimeout     = 2 * time.Second
)

// dialer opens the connections of one AMQP client and can close all of them at once.
// The client itself cannot: using or closing a half-open connection blocks it until
// the connection is closed underneath. Each connection goes to the next host, so that
// one that accepts connections and does nothing else is left.
type dialer struct {
	address *address
	dialed  *atomic.Uint64 // calls of dial, also by earlier clients of the same purpose

	mu      sync.Mutex
	conns   map[*trackedConn]struct{}
	closed  bool
	opened  int            // connections so far
	blocked string         // why the server takes no messages at present; "" if it does
	refusal *amqp091.Error // with which the server ended the last connection
	ended   error          // of the last read from it
}

// trackedConn is a connection of a dialer. It reads along.
type trackedConn struct {
	net.Conn
	dialer *dialer
	frames frameReader
}

func newDialer(a *address, dialed *atomic.Uint64) *dialer {
	return &dialer{address: a, dialed: dialed, conns: make(map[*trackedConn]struct{})}
}

// dial has the signature that amqp091 requires. It tries each host once, beginning with
// the one after the last that was dialed.
func (d *dialer) dial(network, _ string) (net.Conn, error) {
	d.mu.Lock()
	d.refusal, d.ended = nil, nil
	d.mu.Unlock()
	var failed []error
	hosts := d.address.hosts
	first := (d.dialed.Add(1) - 1) % uint64(len(hosts))
	for _, host := range slices.Concat(hosts[first:], hosts[:first]) {
		conn, err := d.dialHost(network, host)
		if err == nil || errors.Is(err, net.ErrClosed) {
			return conn, err
		}
		failed = append(failed, err)
	}
	return nil, errors.Join(failed...)
}

// dialHost connects to one host. The deadline covers the handshakes of TLS and AMQP; the
// client removes it afterwards.
func (d *dialer) dialHost(network, host string) (net.Conn, error) {
	raw, err := (&net.Dialer{Timeout: d.address.timeout}).DialContext(context.Background(), network, host)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	if err := raw.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	conn := raw
	if d.address.tls {
		config, err := d.address.config(host)
		if err != nil {
			return nil, errors.Join(err, raw.Close())
		}
		secure := tls.Client(raw, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("TLS handshake with %s: %w", host, err), raw.Close())
		}
		conn = secure
	}
	tracked := &trackedConn{Conn: conn, dialer: d}
	tracked.frames.handle = d.handle
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	d.conns[tracked] = struct{}{}
	d.opened++
	d.blocked = ""
	return tracked, nil
}

// handle takes in what the server says about a connection.
func (d *dialer) handle(method uint16, arguments []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch method {
	case connectionBlocked:
		d.blocked = shortString(arguments)
	case connectionUnblocked:
		d.blocked = ""
	case connectionClose:
		if len(arguments) > 2 {
			d.refusal = &amqp091.Error{Code: int(binary.BigEndian.Uint16(arguments)), Reason: shortString(arguments[2:]), Server: true}
		}
	}
}

// state returns how many connections were opened, and why the server takes no messages.
func (d *dialer) state() (opened int, blocked string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.opened, d.blocked
}

// explain replaces the client's error of a handshake by what happened: the client takes
// any end of a connection during the login for a wrong password, and any during the
// opening of the virtual host for a wrong host.
func (d *dialer) explain(err error) error {
	login, vhost := errors.Is(err, amqp091.ErrCredentials), errors.Is(err, amqp091.ErrVhost)
	if !login && !vhost {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.refusal != nil:
		return d.refusal
	case d.ended == nil, login && (errors.Is(d.ended, io.EOF) || errors.Is(d.ended, syscall.ECONNRESET)):
		return err // after a wrong password, RabbitMQ just closes the connection
	default:
		return d.ended
	}
}

// Read implements net.Conn.
func (c *trackedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.frames.feed(p[:n])
	if err != nil {
		c.dialer.mu.Lock()
		c.dialer.ended = err
		c.dialer.mu.Unlock()
	}
	return n, err
}

// Close implements net.Conn.
func (c *trackedConn) Close() error {
	c.dialer.mu.Lock()
	delete(c.dialer.conns, c)
	c.dialer.mu.Unlock()
	return c.Conn.Close()
}

// closeAll closes every connection and makes dial fail from now on.
func (d *dialer) closeAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for conn := range d.conns {
		_ = conn.raw().Close() // the user of the connection gets an error of its own
	}
	clear(d.conns)
}

// raw returns the connection below TLS, which closes without waiting for the peer.
func (c *trackedConn) raw() net.Conn {
	if secure, ok := c.Conn.(*tls.Conn); ok {
		return secure.NetConn()
	}
	return c.Conn
}

// closeClient closes the client of the connections. If that takes longer than
// closeTimeout, it closes the connections underneath.
func (d *dialer) closeClient(closeClient func() error) {
	timer := time.AfterFunc(closeTimeout, d.closeAll)
	defer timer.Stop()
	_ = closeClient() // its errors are about connections that are closed already
	d.closeAll()
}
