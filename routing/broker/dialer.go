package broker

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

const (
	dialTimeout      = time.Second
	handshakeTimeout = 3 * time.Second
	closeTimeout     = 2 * time.Second
)

// dialer opens the connections of one AMQP client and can close all of them at once.
// The client itself cannot: using or closing a half-open connection blocks it until
// the connection is closed underneath.
type dialer struct {
	mu     sync.Mutex
	conns  map[*trackedConn]struct{}
	closed bool
}

type trackedConn struct {
	net.Conn
	dialer *dialer
}

func newDialer() *dialer { return &dialer{conns: make(map[*trackedConn]struct{})} }

// dial has the signature that amqp091 requires. The deadline covers the handshake;
// the client removes it afterwards.
func (d *dialer) dial(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	tracked := &trackedConn{conn, d}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	d.conns[tracked] = struct{}{}
	return tracked, nil
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
		_ = conn.Conn.Close() // the user of the connection gets an error of its own
	}
	clear(d.conns)
}

// closeClient closes the client of the connections. If that takes longer than
// closeTimeout, it closes the connections underneath.
func (d *dialer) closeClient(closeClient func() error) {
	timer := time.AfterFunc(closeTimeout, d.closeAll)
	defer timer.Stop()
	_ = closeClient() // its errors are about connections that are closed already
	d.closeAll()
}
