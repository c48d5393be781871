package realtime

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

const subprotocol = "im.v1"

// conn is a WebSocket of which gorilla reads and we write: frames are encoded
// once for many sockets, and several leave in one system call. This file is the
// only one that knows gorilla.
type conn struct {
	ws     *websocket.Conn
	net    net.Conn
	source *source
	ahead  *bufio.Reader // what gorilla has taken of source
	// patience is how long the peer may be silent while read waits; every frame
	// that comes renews it.
	patience time.Duration
	heard    time.Time // when it was last renewed, roughly
	// stall is how long the peer may take no byte at all.
	stall  time.Duration
	stalls time.Time // when the deadline of writing was last moved, roughly

	buffers *buffers
	frame   *[]byte // of the last frame that was read; nil while there is none
}

// tolerance is by which part deadlines may be late: they are moved only when it
// makes that much of a difference, which is not with every frame.
const tolerance = 50

// buffers are shared by all sockets, so that one that is idle holds none.
type buffers struct{ source, reading, writing sync.Pool }

const (
	frameBuffer = 2 << 10
	largestKept = 16 << 10 // buffers of longer frames are not kept
)

func newBuffers() *buffers {
	return &buffers{
		source:  sync.Pool{New: func() any { return new([sourceBuffer]byte) }},
		reading: sync.Pool{New: func() any { b := make([]byte, 0, frameBuffer); return &b }},
		writing: sync.Pool{New: func() any { b := make([]byte, 0, batchBytes); return &b }},
	}
}

// upgrader makes sockets of requests.
type upgrader struct {
	ws      websocket.Upgrader
	buffers *buffers
}

func newUpgrader() *upgrader {
	return &upgrader{buffers: newBuffers(), ws: websocket.Upgrader{
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
	hijacker := &muted{ResponseWriter: w, buffers: &u.buffers.source}
	ws, err := u.ws.Upgrade(hijacker, r, nil)
	if err != nil {
		return nil, err
	}
	hijacker.conn.mute.Store(true)
	source := hijacker.conn.source
	c := &conn{ws: ws, net: source.Conn, source: source, ahead: hijacker.ahead, stall: stall, buffers: u.buffers}
	ws.SetReadLimit(int64(limit))
	ws.SetPongHandler(func(string) error { return c.renew() })
	ws.SetPingHandler(func(data string) error { pong(data); return c.renew() })
	ws.SetCloseHandler(func(int, string) error { return nil })
	return c, nil
}

// await sets how long the peer may be silent from now on.
func (c *conn) await(patience time.Duration) error {
	if c.patience != patience {
		c.patience, c.heard = patience, time.Time{}
	}
	return c.renew()
}

// awaitUntil sets until when the peer may be silent, whatever it sends.
func (c *conn) awaitUntil(deadline time.Time) error {
	c.patience = 0
	return c.net.SetReadDeadline(deadline)
}

func (c *conn) renew() error {
	slack := c.patience / tolerance
	now := time.Now()
	if c.patience == 0 || now.Sub(c.heard) < slack {
		return nil
	}
	c.heard = now
	return c.net.SetReadDeadline(now.Add(c.patience + slack))
}

// read returns the next text frame, which is valid until the next call. It fails
// with a closeCode where the peer is to be told one, or has said goodbye, and
// with errBeat when the peer has answered a ping.
func (c *conn) read() ([]byte, error) {
	c.release()
	if c.ahead.Buffered() > 0 {
		return c.readFrame()
	}
	if err := c.source.wait(); err != nil {
		return nil, reading(err)
	}
	if c.source.skipPong() {
		return nil, cmp.Or(c.renew(), errBeat)
	}
	return c.readFrame()
}

// errBeat says that nothing came but a pong, and that the caller may go on.
var errBeat = errors.New("a heartbeat was answered")

func (c *conn) readFrame() ([]byte, error) {
	kind, data, err := c.readMessage()
	switch {
	case err != nil:
		return nil, reading(err)
	case kind != websocket.TextMessage || !utf8.Valid(data):
		return nil, closeProtocol
	default:
		return data, nil
	}
}

// reading is what an error of reading means for the socket.
func reading(err error) error {
	var closed *websocket.CloseError
	switch {
	case errors.Is(err, websocket.ErrReadLimit):
		return closeTooLarge
	case isTimeout(err):
		return closeHeartbeat
	case errors.As(err, &closed):
		if closed.Code == websocket.CloseAbnormalClosure {
			return io.ErrUnexpectedEOF
		}
		return closeNormal
	case isNetwork(err):
		return err
	default:
		return closeProtocol // gorilla's protocol errors have no type
	}
}

func (c *conn) readMessage() (kind int, data []byte, err error) {
	kind, r, err := c.ws.NextReader()
	if err != nil {
		return kind, nil, err
	}
	c.frame = c.buffers.reading.Get().(*[]byte)
	data, err = appendAll((*c.frame)[:0], r)
	*c.frame = data
	return kind, data, err
}

// release gives back the memory of the last frame.
func (c *conn) release() {
	if c.frame != nil && cap(*c.frame) <= largestKept {
		c.buffers.reading.Put(c.frame)
	}
	c.frame = nil
}

func appendAll(dst []byte, r io.Reader) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, len(dst))
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
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

// write sends frames, as many in one system call as a buffer holds. It fails
// with os.ErrDeadlineExceeded when the peer takes no byte for the stall time.
func (c *conn) write(frames [][]byte) error {
	if len(frames) == 1 {
		return c.writeAll(frames[0])
	}
	buffer := c.buffers.writing.Get().(*[]byte)
	defer c.buffers.writing.Put(buffer)
	gathered := (*buffer)[:0]
	for _, frame := range frames {
		if len(gathered)+len(frame) > cap(gathered) {
			if err := c.writeAll(gathered); err != nil {
				return err
			}
			gathered = gathered[:0]
		}
		if len(frame) > cap(gathered) {
			if err := c.writeAll(frame); err != nil {
				return err
			}
			continue
		}
		gathered = append(gathered, frame...)
	}
	return c.writeAll(gathered)
}

func (c *conn) writeAll(data []byte) error {
	for len(data) > 0 {
		if err := c.patient(); err != nil {
			return err
		}
		n, err := c.net.Write(data)
		if err != nil && (n == 0 || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
		data = data[n:]
	}
	return nil
}

// patient moves the deadline of writing.
func (c *conn) patient() error {
	slack := c.stall / tolerance
	now := time.Now()
	if now.Sub(c.stalls) < slack {
		return nil
	}
	c.stalls = now
	return c.net.SetWriteDeadline(now.Add(c.stall + slack))
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
	buffers *sync.Pool
	conn    *mutedConn
	ahead   *bufio.Reader
}

// Hijack implements http.Hijacker.
func (m *muted) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	raw, rw, err := http.NewResponseController(m.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	m.conn = &mutedConn{source: newSource(raw, m.buffers)}
	m.ahead = bufio.NewReaderSize(m.conn, framing)
	if rw.Reader.Buffered() > 0 {
		return m.conn, rw, nil // gorilla refuses who does not wait for the answer
	}
	return m.conn, bufio.NewReadWriter(m.ahead, rw.Writer), nil
}

type mutedConn struct {
	*source
	mute atomic.Bool
}

// Write implements net.Conn.
func (c *mutedConn) Write(p []byte) (int, error) {
	if c.mute.Load() {
		return len(p), nil
	}
	return c.source.Write(p)
}
