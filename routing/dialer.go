package routing

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

// dialer opens the connections of one AMQP client and can cut them all: a
// half-open connection holds up whoever uses or closes it until it is cut.
type dialer struct {
	mu    sync.Mutex
	conns map[*trackedConn]struct{}
	shut  bool
}

type trackedConn struct {
	net.Conn
	from *dialer
}

func newDialer() *dialer { return &dialer{conns: make(map[*trackedConn]struct{})} }

// dial has the form that amqp091 asks for: the deadline covers the handshake,
// after which the client removes it.
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
	if d.shut {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	d.conns[tracked] = struct{}{}
	return tracked, nil
}

// Close implements net.Conn.
func (c *trackedConn) Close() error {
	c.from.mu.Lock()
	delete(c.from.conns, c)
	c.from.mu.Unlock()
	return c.Conn.Close()
}

// cut closes every connection; there will be no other.
func (d *dialer) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = true
	for conn := range d.conns {
		_ = conn.Conn.Close() // whoever uses it is told by its error
	}
	clear(d.conns)
}

// closing runs an orderly close and, where that takes longer than
// closeTimeout, cuts the connections under it.
func (d *dialer) closing(orderly func() error) {
	timer := time.AfterFunc(closeTimeout, d.cut)
	defer timer.Stop()
	_ = orderly() // it complains of what is closed already
	d.cut()
}
