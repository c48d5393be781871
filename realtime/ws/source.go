package ws

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"

	"github.com/gorilla/websocket"
)

const (
	// sourceBuffer is the most that one system call reads, in bytes.
	sourceBuffer = 4 << 10
	// parseBuffer is the size of the buffer that gorilla parses from. Control
	// frames fit in it, and gorilla replaces one of 256 bytes or less by its own.
	parseBuffer = 272
)

// source reads ahead from a connection. It holds a buffer only while there are
// bytes in it, so an idle connection holds none. To wait for bytes without a
// buffer, it waits on the file descriptor (syscall.RawConn) and reads itself.
type source struct {
	net.Conn
	buffers *sync.Pool // of *[sourceBuffer]byte

	raw  syscall.RawConn // nil if the connection is not the system's: then nothing is read ahead
	fill func(fd uintptr) (done bool)

	buffer   *[sourceBuffer]byte // nil while empty
	from, to int                 // the unread bytes of buffer
	err      error               // of the last fill
}

func newSource(conn net.Conn, buffers *sync.Pool) *source {
	s := &source{Conn: conn, buffers: buffers}
	if system, ok := conn.(syscall.Conn); ok {
		if raw, err := system.SyscallConn(); err == nil {
			s.raw, s.fill = raw, s.fillFrom
		}
	}
	return s
}

// wait blocks until there is something to read or reading fails. It holds no
// buffer while it blocks.
func (s *source) wait() error {
	if s.raw == nil || s.buffer != nil {
		return nil
	}
	if err := s.raw.Read(s.fill); err != nil {
		return err
	}
	return s.err
}

// fillFrom reads what is there into a buffer. It reports false if nothing is
// there yet; the runtime then calls it again when fd is readable.
func (s *source) fillFrom(fd uintptr) (done bool) {
	buffer := s.buffers.Get().(*[sourceBuffer]byte)
	n, err := syscall.Read(int(fd), buffer[:])
	for errors.Is(err, syscall.EINTR) {
		n, err = syscall.Read(int(fd), buffer[:])
	}
	if n > 0 {
		s.buffer, s.from, s.to, s.err = buffer, 0, n, nil
		return true
	}
	s.buffers.Put(buffer)
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return false
	case err == nil:
		s.err = io.EOF
	default:
		s.err = &net.OpError{Op: "read", Net: "tcp", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: err}
	}
	return true
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if s.raw == nil || s.buffer == nil && len(p) >= sourceBuffer {
		return s.Conn.Read(p)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := s.wait(); err != nil {
		return 0, err
	}
	n := copy(p, s.buffer[s.from:s.to])
	if s.from += n; s.from == s.to {
		s.buffers.Put(s.buffer)
		s.buffer = nil
	}
	return n, nil
}

// skipPong discards the buffer if it holds exactly one pong of a client, and
// reports whether it did. Call it between messages only. It spares gorilla, and
// thereby the stack and the buffer that parsing takes, for the one frame that
// idle sockets receive.
func (s *source) skipPong() bool {
	const (
		pong       = 0x80 | websocket.PongMessage // final fragment, as all control frames
		masked     = 0x80
		header     = 2 + 4 // with the mask; a control frame's length is one byte
		maxPayload = 125
	)
	if s.buffer == nil {
		return false
	}
	frame := s.buffer[s.from:s.to]
	if len(frame) < header || frame[0] != pong || frame[1] < masked || frame[1] > masked|maxPayload ||
		len(frame) != header+int(frame[1]&^masked) {
		return false
	}
	s.buffers.Put(s.buffer)
	s.buffer = nil
	return true
}
