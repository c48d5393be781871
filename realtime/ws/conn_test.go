package ws

import (
	"bytes"
	"net"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"im/test/eventually"
)

// fullConn is a connection whose send buffer is full until a time: a write waits
// for that or for its deadline.
type fullConn struct {
	net.Conn
	until    time.Time
	deadline time.Time
}

func (c *fullConn) SetWriteDeadline(t time.Time) error { c.deadline = t; return nil }

func (c *fullConn) Write(p []byte) (int, error) {
	if c.deadline.Before(c.until) {
		time.Sleep(time.Until(c.deadline))
		return 0, os.ErrDeadlineExceeded
	}
	time.Sleep(time.Until(c.until))
	return len(p), nil
}

// TestWriteTimeout: a write fails when the peer has taken no byte for the write
// timeout, not when the kernel's send buffer was full for that long.
func TestWriteTimeout(t *testing.T) {
	const timeout = 30 * time.Second
	for name, c := range map[string]struct {
		full   time.Duration                 // how long the send buffer is full
		unsent func(since time.Duration) int // what the peer has not taken
		fails  time.Duration                 // after which the write fails; 0: it succeeds
	}{
		"the peer takes nothing":           {time.Hour, func(time.Duration) int { return 1 << 20 }, timeout},
		"what the peer takes is not known": {time.Hour, func(time.Duration) int { return -1 }, timeout},
		"the peer takes a byte now and then": {
			5 * time.Minute, func(since time.Duration) int { return 1<<20 - int(since/(20*time.Second)) }, 0,
		},
		"the peer stops taking bytes": {
			time.Hour, func(since time.Duration) int { return 1<<20 - int(min(since, time.Minute)/(10*time.Second)) }, time.Minute + timeout,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				conn := &Conn{
					net: &fullConn{until: began.Add(c.full)}, writeTimeout: timeout,
					unsent: func(net.Conn) int { return c.unsent(time.Since(began)) },
				}
				err := conn.Write([][]byte{make([]byte, 100)})
				if c.fails == 0 {
					require.NoError(t, err)
					require.Equal(t, c.full, time.Since(began))
					return
				}
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				require.InDelta(t, c.fails.Seconds(), time.Since(began).Seconds(), 2*timeout.Seconds()/writeChecks)
			})
		})
	}
}

// TestUnsent: the kernel knows how much of the send buffer the peer has taken.
func TestUnsent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux says how much is unsent")
	}
	s, peer := tcpPair(t)
	require.NoError(t, s.SetWriteDeadline(time.Now().Add(100*time.Millisecond)))
	_, err := s.Write(make([]byte, 64<<20)) // more than all buffers hold
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	full := unsent(s.Conn)
	require.Positive(t, full)
	go func() { _, _ = new(bytes.Buffer).ReadFrom(peer) }()
	eventually.True(t, "the peer has taken everything", func() bool { return unsent(s.Conn) == 0 })

	a, b := net.Pipe()
	defer func() { _, _ = a.Close(), b.Close() }()
	require.Equal(t, -1, unsent(a), "not known without a file descriptor")
}
