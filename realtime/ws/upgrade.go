package ws

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// Upgrader turns HTTP requests into connections. All connections of one
// Upgrader share its pools of buffers.
type Upgrader struct {
	ws      websocket.Upgrader
	buffers *buffers
}

// NewUpgrader returns an Upgrader that offers one subprotocol. It does not check
// origins. refuse answers a request that is not a WebSocket handshake.
func NewUpgrader(subprotocol string, refuse func(w http.ResponseWriter, status int, reason error)) *Upgrader {
	return &Upgrader{buffers: newBuffers(), ws: websocket.Upgrader{
		WriteBufferPool: &sync.Pool{}, // gorilla writes only the handshake
		Subprotocols:    []string{subprotocol},
		CheckOrigin:     func(*http.Request) bool { return true },
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			refuse(w, status, reason)
		},
	}}
}

// ConnOptions configure one connection.
type ConnOptions struct {
	// MaxFrame is the largest message that the peer may send, in bytes.
	MaxFrame int
	// WriteTimeout is how long Write waits for the peer to take a byte.
	WriteTimeout time.Duration
	// OnPing is called by Read for each ping control frame of the peer.
	OnPing func(data string)
}

// Upgrade answers the handshake of r. After an error, r has been answered too.
func (u *Upgrader) Upgrade(w http.ResponseWriter, r *http.Request, o ConnOptions) (*Conn, error) {
	hijacker := &hijacker{ResponseWriter: w, buffers: &u.buffers.source}
	ws, err := u.ws.Upgrade(hijacker, r, w.Header()) // the handshake answers with what is set so far
	if err != nil {
		return nil, err
	}
	hijacker.conn.muted.Store(true)
	source := hijacker.conn.source
	c := &Conn{
		ws: ws, net: source.Conn, source: source, reader: hijacker.reader,
		writeTimeout: o.WriteTimeout, unsent: unsent, buffers: u.buffers,
	}
	ws.SetReadLimit(int64(o.MaxFrame))
	ws.SetPongHandler(func(string) error { return c.renewReadDeadline() })
	ws.SetPingHandler(func(data string) error { o.OnPing(data); return c.renewReadDeadline() })
	ws.SetCloseHandler(func(int, string) error { return nil })
	return c, nil
}

// hijacker gives gorilla a connection that discards what gorilla writes once the
// handshake is done. Otherwise gorilla would answer protocol errors itself, with
// codes that are not the contract's, in the middle of our frames.
type hijacker struct {
	http.ResponseWriter
	buffers *sync.Pool
	conn    *mutableConn
	reader  *bufio.Reader
}

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	raw, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.conn = &mutableConn{source: newSource(raw, h.buffers)}
	h.reader = bufio.NewReaderSize(h.conn, parseBuffer)
	if rw.Reader.Buffered() > 0 {
		return h.conn, rw, nil // gorilla refuses a client that sends before it is answered
	}
	return h.conn, bufio.NewReadWriter(h.reader, rw.Writer), nil
}

type mutableConn struct {
	*source
	muted atomic.Bool
}

// Write implements net.Conn.
func (c *mutableConn) Write(p []byte) (int, error) {
	if c.muted.Load() {
		return len(p), nil
	}
	return c.source.Write(p)
}
