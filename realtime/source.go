package realtime

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
)

const (
	// sourceBuffer is how much one system call reads at most.
	sourceBuffer = 4 << 10
	// framing is the reader's that gorilla parses with: control frames fit in,
	// and gorilla takes none that is not longer than 256.
	framing = 272
)

// source reads a connection ahead. It has a buffer only from when bytes have
// come until they are read: one that waits has none.
type source struct {
	net.Conn
	buffers *sync.Pool // of *[sourceBuffer]byte

	raw  syscall.RawConn // nil: the connection is not the system's, and is not read ahead
	fill func(fd uintptr) (done bool)

	buffer   *[sourceBuffer]byte // nil while there is nothing in it
	from, to int
	err      error // of the last fill
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

// wait returns when there is something to read, or an error that reading ends
// with. Who waits here holds little memory.
func (s *source) wait() error {
	if s.raw == nil || s.buffer != nil {
		return nil
	}
	if err := s.raw.Read(s.fill); err != nil {
		return err
	}
	return s.err
}

// fillFrom reads what there is; false if that is nothing yet.
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

// skipPong takes a whole pong frame of a client, if nothing else is there; it
// is to be asked between messages only.
func (s *source) skipPong() bool {
	const (
		pong   = 0x80 | opPong // and the last of its message, as all are
		masked = 0x80
		header = 2 + 4 // with the mask; the length of a control frame is one byte
		most   = 125
	)
	if s.buffer == nil {
		return false
	}
	frame := s.buffer[s.from:s.to]
	if len(frame) < header || frame[0] != pong || frame[1] < masked || frame[1] > masked|most || len(frame) != header+int(frame[1]&^masked) {
		return false
	}
	s.buffers.Put(s.buffer)
	s.buffer = nil
	return true
}
