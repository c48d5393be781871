package realtime

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

const (
	subprotocol = "im.v1"
	readBuffer  = 1 << 10
)

// conn is a WebSocket of which gorilla reads and we write: frames are encoded
// once for many sockets, and several leave in one system call. This file is the
// only one that knows gorilla.
type conn struct {
	ws  *websocket.Conn
	net net.Conn
	// patience is how long the peer may be silent while read waits; every frame
	// that comes renews it.
	patience time.Duration
	// stall is how long the peer may take no byte at all.
	stall time.Duration
}

// upgrader makes sockets of requests.
type upgrader struct{ ws websocket.Upgrader }

func newUpgrader() *upgrader {
	return &upgrader{ws: websocket.Upgrader{
		ReadBufferSize:  readBuffer,
		WriteBufferPool: &sync.Pool{}, // what gorilla writes is only the handshake
		Subprotocols:    []string{subprotocol},
		CheckOrigin:     func(*http.Request) bool { return true }, // the gateway has checked
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			writeProblem(w, status, refusedHandshake(status, reason))
		},
	}}
}

// upgrade answers the handshake; after an error, the request is answered too.
// pong is called for each ping of the peer.
func (u *upgrader) upgrade(w http.ResponseWriter, r *http.Request, limit int, stall time.Duration, pong func(data string)) (*conn, error) {
	hijacker := &muted{ResponseWriter: w}
	ws, err := u.ws.Upgrade(hijacker, r, nil)
	if err != nil {
		return nil, err
	}
	hijacker.conn.mute.Store(true)
	c := &conn{ws: ws, net: hijacker.conn.Conn, stall: stall}
	ws.SetReadLimit(int64(limit))
	ws.SetPongHandler(func(string) error { return c.renew() })
	ws.SetPingHandler(func(data string) error { pong(data); return c.renew() })
	ws.SetCloseHandler(func(int, string) error { return nil })
	return c, nil
}

// await sets how long the peer may be silent from now on.
func (c *conn) await(patience time.Duration) error {
	c.patience = patience
	return c.renew()
}

// awaitUntil sets until when the peer may be silent, whatever it sends.
func (c *conn) awaitUntil(deadline time.Time) error {
	c.patience = 0
	return c.net.SetReadDeadline(deadline)
}

func (c *conn) renew() error {
	if c.patience == 0 {
		return nil
	}
	return c.net.SetReadDeadline(time.Now().Add(c.patience))
}

// read returns the next text frame, which has memory of its own. It fails with
// a closeCode where the peer is to be told one, or has said goodbye.
func (c *conn) read() ([]byte, error) {
	kind, data, err := c.ws.ReadMessage()
	var closed *websocket.CloseError
	switch {
	case err == nil && (kind != websocket.TextMessage || !utf8.Valid(data)):
		return nil, closeProtocol
	case err == nil:
		return data, nil
	case errors.Is(err, websocket.ErrReadLimit):
		return nil, closeTooLarge
	case isTimeout(err):
		return nil, closeHeartbeat
	case errors.As(err, &closed):
		if closed.Code == websocket.CloseAbnormalClosure {
			return nil, io.ErrUnexpectedEOF
		}
		return nil, closeNormal
	case isNetwork(err):
		return nil, err
	default:
		return nil, closeProtocol // gorilla's protocol errors have no type
	}
}

// isTimeout asks the error itself: gorilla hides what it was made of.
func isTimeout(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

func isNetwork(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// write sends frames in one system call where the connection can. It fails
// with os.ErrDeadlineExceeded when the peer takes no byte for the stall time.
func (c *conn) write(frames net.Buffers) error {
	for len(frames) > 0 {
		if err := c.net.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
			return err
		}
		n, err := frames.WriteTo(c.net)
		if err != nil && (n == 0 || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
	}
	return nil
}

// linger reads and forgets what still comes until the peer has answered the
// close frame, so that closing does not destroy what it has not read yet.
func (c *conn) linger() {
	_ = c.net.SetReadDeadline(time.Time{}) // the closing timer bounds it
	for {
		_, _, err := c.ws.NextReader()
		var closed *websocket.CloseError
		switch {
		case err == nil:
		case errors.As(err, &closed):
			return
		default:
			_, _ = io.Copy(io.Discard, c.net) // gorilla reads no further; any end will do
			return
		}
	}
}

func (c *conn) close() { _ = c.net.Close() } // nothing is left to be done about an error

// muted keeps gorilla from writing by itself once the handshake is done: it
// would answer protocol errors with codes that are not ours, in between frames.
type muted struct {
	http.ResponseWriter
	conn *mutedConn
}

// Hijack implements http.Hijacker.
func (m *muted) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	raw, rw, err := http.NewResponseController(m.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	m.conn = &mutedConn{Conn: raw}
	return m.conn, rw, nil
}

type mutedConn struct {
	net.Conn
	mute atomic.Bool
}

// Write implements net.Conn.
func (c *mutedConn) Write(p []byte) (int, error) {
	if c.mute.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}
