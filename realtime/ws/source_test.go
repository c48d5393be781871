package ws

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"im/realtime/wire"
)

// tcpPair returns a source and the other end of its connection.
func tcpPair(t *testing.T) (*source, net.Conn) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	peer, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = peer.Close(), conn.Close() })
	return newSource(conn, &newBuffers().source), peer
}

func TestSourceHoldsNoBufferWhileItWaits(t *testing.T) {
	s, peer := tcpPair(t)
	s.buffers = &sync.Pool{New: s.buffers.New}
	sent := bytes.Repeat([]byte("0123456789"), 2_000) // several buffers full
	go func() { _, _ = peer.Write(sent) }()
	if err := s.wait(); err != nil || s.buffer == nil {
		t.Fatalf("wait: %v; buffer there: %t", err, s.buffer != nil)
	}
	got := make([]byte, 0, len(sent))
	for part := make([]byte, 300); len(got) < len(sent); {
		n, err := s.Read(part)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, part[:n]...)
	}
	if !bytes.Equal(got, sent) {
		t.Error("the bytes read are not those sent")
	}
	if s.buffer != nil {
		t.Error("a buffer is held with nothing in it")
	}
}

func TestSourceFailsLikeItsConnection(t *testing.T) {
	t.Run("the peer is silent", func(t *testing.T) {
		s, _ := tcpPair(t)
		if err := s.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if err := s.wait(); !errors.Is(err, os.ErrDeadlineExceeded) || !isTimeout(err) {
			t.Errorf("wait: %v", err)
		}
		if !errors.Is(readError(s.wait()), wire.CloseHeartbeat) {
			t.Error("silence is not a missed heartbeat")
		}
	})
	t.Run("the peer has gone", func(t *testing.T) {
		s, peer := tcpPair(t)
		_, _ = peer.Write([]byte("last"))
		_ = peer.Close()
		if got, err := io.ReadAll(s); err != nil || string(got) != "last" {
			t.Errorf("read %q, %v", got, err)
		}
		if err := s.wait(); !errors.Is(err, io.EOF) || s.buffer != nil {
			t.Errorf("wait: %v; buffer held: %t", err, s.buffer != nil)
		}
	})
	t.Run("the peer has reset", func(t *testing.T) {
		s, peer := tcpPair(t)
		_ = peer.(*net.TCPConn).SetLinger(0)
		_ = peer.Close()
		if err := s.wait(); !isNetwork(err) {
			t.Errorf("wait: %v", err)
		}
	})
	t.Run("it is closed", func(t *testing.T) {
		s, _ := tcpPair(t)
		time.AfterFunc(10*time.Millisecond, func() { _ = s.Close() })
		if err := s.wait(); !isNetwork(err) {
			t.Errorf("wait: %v", err)
		}
	})
}

// TestSourceWithoutFileDescriptor: if the connection has none, nothing is read
// ahead.
func TestSourceWithoutFileDescriptor(t *testing.T) {
	near, far := net.Pipe()
	defer func() { _, _ = near.Close(), far.Close() }()
	s := newSource(near, &newBuffers().source)
	go func() { _, _ = far.Write([]byte("hello")) }()
	if err := s.wait(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(s, got); err != nil || string(got) != "hello" {
		t.Errorf("read %q, %v", got, err)
	}
}

// TestOnlyAWholePongIsSkipped: all other bytes are left to gorilla.
func TestOnlyAWholePongIsSkipped(t *testing.T) {
	for name, c := range map[string]struct {
		bytes string
		want  bool
	}{
		"empty":             {"\x8a\x80mask", true},
		"with a payload":    {"\x8a\x83maskabc", true},
		"with more":         {"\x8a\x80mask\x81", false},
		"in part":           {"\x8a\x83maskab", false},
		"without a mask":    {"\x8a\x03abcdefg", false},
		"not the last":      {"\x0a\x80mask", false},
		"a reserved bit":    {"\xca\x80mask", false},
		"too long":          {"\x8a\xfemask", false},
		"a ping":            {"\x89\x80mask", false},
		"less than a frame": {"\x8a", false},
	} {
		t.Run(name, func(t *testing.T) {
			s, peer := tcpPair(t)
			if s.skipPong() {
				t.Error("nothing was skipped")
			}
			_, _ = peer.Write([]byte(c.bytes))
			if err := s.wait(); err != nil {
				t.Fatal(err)
			}
			if s.skipPong() != c.want {
				t.Errorf("skipped: %t", !c.want)
			}
			if rest := s.buffer != nil; rest == c.want {
				t.Errorf("bytes left: %t", rest)
			}
		})
	}
}
