package ws

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"im/realtime/wire"
)

// Conn is a WebSocket connection. gorilla parses what is read; frames are
// written without gorilla. One goroutine may read while another one writes.
type Conn struct {
	ws     *websocket.Conn
	net    net.Conn
	source *source
	reader *bufio.Reader // gorilla's, over source

	// readTimeout is how long Read waits for a frame of the peer; 0 if the read
	// deadline is fixed.
	readTimeout time.Duration
	readSet     time.Time // when the read deadline was last moved
	// writeTimeout is how long Write waits for the peer to take a byte.
	writeTimeout time.Duration
	writeSet     time.Time // when the write deadline was last moved
	unsent       func(net.Conn) int

	buffers *buffers
	frame   *[]byte // holds the last frame read; nil if there is none
}

// deadlineSlack is the divisor of a timeout by which its deadline may be late.
// A deadline is moved only when it would change by more than that, because
// moving it for every frame costs more than reading the frame.
const deadlineSlack = 50

// buffers are the pools that all connections share.
type buffers struct{ source, reading, writing sync.Pool }

const (
	readBuffer    = 2 << 10
	maxPooled     = 16 << 10 // larger read buffers are left to the garbage collector
	maxWriteBatch = 64 << 10 // bytes that one system call writes, about
)

func newBuffers() *buffers {
	return &buffers{
		source:  sync.Pool{New: func() any { return new([sourceBuffer]byte) }},
		reading: sync.Pool{New: func() any { b := make([]byte, 0, readBuffer); return &b }},
		writing: sync.Pool{New: func() any { b := make([]byte, 0, maxWriteBatch); return &b }},
	}
}

// SetReadTimeout sets how long the peer may be silent from now on. Each of its
// frames, control frames included, starts the time again.
func (c *Conn) SetReadTimeout(timeout time.Duration) error {
	if c.readTimeout != timeout {
		c.readTimeout, c.readSet = timeout, time.Time{}
	}
	return c.renewReadDeadline()
}

// SetReadDeadline sets a deadline for reading that no frame moves.
func (c *Conn) SetReadDeadline(deadline time.Time) error {
	c.readTimeout = 0
	return c.net.SetReadDeadline(deadline)
}

func (c *Conn) renewReadDeadline() error {
	slack := c.readTimeout / deadlineSlack
	now := time.Now()
	if c.readTimeout == 0 || now.Sub(c.readSet) < slack {
		return nil
	}
	c.readSet = now
	return c.net.SetReadDeadline(now.Add(c.readTimeout + slack))
}

// ErrPong is returned by Read when only a pong was received. The connection is
// in order; call Read again.
var ErrPong = errors.New("a pong was received")

// ProtocolError is a breach of the protocol by the peer. It is a wire.CloseProtocol.
type ProtocolError struct {
	Reason string // for the peer
}

// Error implements error.
func (e *ProtocolError) Error() string { return "protocol error: " + e.Reason }

// Unwrap returns the code to close the connection with.
func (e *ProtocolError) Unwrap() error { return wire.CloseProtocol }

// Read returns the next text frame; it is valid until the next call. Read fails
// with a wire.CloseCode if the connection is to be closed with that code (or the
// peer has closed it: wire.CloseNormal), with a ProtocolError, with ErrPong, or with
// an error of the network.
func (c *Conn) Read() ([]byte, error) {
	c.release()
	if c.reader.Buffered() > 0 {
		return c.readFrame()
	}
	if err := c.source.wait(); err != nil {
		return nil, readError(err)
	}
	if c.source.skipPong() {
		return nil, cmp.Or(c.renewReadDeadline(), ErrPong)
	}
	return c.readFrame()
}

func (c *Conn) readFrame() ([]byte, error) {
	kind, data, err := c.readMessage()
	switch {
	case err != nil:
		return nil, readError(err)
	case kind != websocket.TextMessage:
		return nil, &ProtocolError{"a frame is binary; frames are text"}
	case !utf8.Valid(data):
		return nil, &ProtocolError{"a frame is not valid UTF-8"}
	default:
		return data, nil
	}
}

// readError returns what an error of reading means for the connection.
func readError(err error) error {
	var closed *websocket.CloseError
	switch {
	case errors.Is(err, websocket.ErrReadLimit):
		return wire.CloseTooLarge
	case isTimeout(err):
		return wire.CloseHeartbeat
	case errors.As(err, &closed):
		if closed.Code == websocket.CloseAbnormalClosure {
			return io.ErrUnexpectedEOF
		}
		return wire.CloseNormal
	case isNetwork(err):
		return err
	default:
		return &ProtocolError{err.Error()} // gorilla's protocol errors have no type
	}
}

func (c *Conn) readMessage() (kind int, data []byte, err error) {
	kind, r, err := c.ws.NextReader()
	if err != nil {
		return kind, nil, err
	}
	c.frame = c.buffers.reading.Get().(*[]byte)
	data, err = appendAll((*c.frame)[:0], r)
	*c.frame = data
	return kind, data, err
}

// release returns the buffer of the last frame to the pool.
func (c *Conn) release() {
	if c.frame != nil && cap(*c.frame) <= maxPooled {
		c.buffers.reading.Put(c.frame)
	}
	c.frame = nil
}

// appendAll is io.ReadAll into a buffer.
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

// isTimeout uses errors.As because gorilla replaces network errors by its own,
// which are only net.Errors.
func isTimeout(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

func isNetwork(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// Write sends frames, as many in one system call as a buffer holds. It fails
// with os.ErrDeadlineExceeded if the peer takes no byte for the write timeout.
func (c *Conn) Write(frames [][]byte) error {
	if len(frames) == 1 {
		return c.writeAll(frames[0])
	}
	buffer := c.buffers.writing.Get().(*[]byte)
	defer c.buffers.writing.Put(buffer)
	batch := (*buffer)[:0]
	for _, frame := range frames {
		if len(batch)+len(frame) > cap(batch) {
			if err := c.writeAll(batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
		if len(frame) > cap(batch) {
			if err := c.writeAll(frame); err != nil {
				return err
			}
			continue
		}
		batch = append(batch, frame...)
	}
	return c.writeAll(batch)
}

// writeAll writes data. A Write of the kernel that accepts nothing does not mean
// that the peer takes nothing: Linux accepts more only when a third of the send
// buffer is free, which can be more than a slow peer takes in the write timeout.
// So writeAll wakes up several times in that time, and looks whether the peer has
// acknowledged some of what is in the send buffer.
func (c *Conn) writeAll(data []byte) error {
	var lastTaken time.Time // when the peer last took a byte; zero if the last Write accepted some
	unacked := -1
	for len(data) > 0 {
		if err := c.renewWriteDeadline(); err != nil {
			return err
		}
		n, err := c.net.Write(data)
		data = data[n:]
		switch {
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case err == nil || n > 0:
			lastTaken, unacked = time.Time{}, -1
			continue
		}
		now, left := time.Now(), c.unsent(c.net)
		switch {
		case left >= 0 && left < unacked:
			lastTaken = now
		case lastTaken.IsZero():
			lastTaken = c.writeSet
		}
		if unacked = left; now.Sub(lastTaken) >= c.writeTimeout {
			return err
		}
	}
	return nil
}

// writeChecks is how often a blocked write looks for progress within the write
// timeout.
const writeChecks = 25

func (c *Conn) renewWriteDeadline() error {
	now := time.Now()
	if now.Sub(c.writeSet) < c.writeTimeout/deadlineSlack {
		return nil
	}
	c.writeSet = now
	return c.net.SetWriteDeadline(now.Add(c.writeTimeout / writeChecks))
}

// Linger reads and discards until the peer has answered the close frame. Closing
// a TCP connection with unread bytes would reset it, and the peer could lose
// frames that it has not read yet. The caller bounds the time by Close.
func (c *Conn) Linger() {
	_ = c.net.SetReadDeadline(time.Time{})
	for {
		_, _, err := c.ws.NextReader()
		var closed *websocket.CloseError
		switch {
		case err == nil:
		case errors.As(err, &closed):
			return
		default:
			_, _ = io.Copy(io.Discard, c.net) // gorilla reads no further after an error
			return
		}
	}
}

// Close closes the connection without a close frame. It may be called
// concurrently and repeatedly.
func (c *Conn) Close() { _ = c.net.Close() } // an error leaves nothing to do
