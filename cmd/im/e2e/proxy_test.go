package e2e

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// proxy is a TCP proxy that a test can cut: connections break, and new ones
// are refused until it is mended.
type proxy struct {
	target string
	addr   string

	mu    sync.Mutex
	cut   bool
	delay time.Duration // of everything, both ways
	conns map[net.Conn]struct{}
	live  sync.WaitGroup
}

func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{target: target, addr: listener.Addr().String(), conns: map[net.Conn]struct{}{}}
	p.live.Add(1)
	go p.accept(listener)
	t.Cleanup(func() {
		_ = listener.Close()
		p.Cut()
		p.live.Wait()
	})
	return p
}

// Cut breaks every connection and refuses new ones.
func (p *proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for conn := range p.conns {
		_ = conn.Close()
	}
}

// Mend lets connections through again.
func (p *proxy) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.delay = false, 0
}

// Slow makes everything take a while longer.
func (p *proxy) Slow(delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = delay
}

// Read implements io.Reader for a connection, late.
func (c lateConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.p.mu.Lock()
	delay := c.p.delay
	c.p.mu.Unlock()
	time.Sleep(delay)
	return n, err
}

type lateConn struct {
	net.Conn
	p *proxy
}

func (p *proxy) accept(listener net.Listener) {
	defer p.live.Done()
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil || !p.admit(client, server) {
			_ = client.Close()
			if server != nil {
				_ = server.Close()
			}
			continue
		}
		p.live.Add(2)
		go p.copy(client, server)
		go p.copy(server, client)
	}
}

func (p *proxy) admit(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		return false
	}
	for _, conn := range conns {
		p.conns[conn] = struct{}{}
	}
	return true
}

func (p *proxy) copy(to, from net.Conn) {
	defer p.live.Done()
	_, _ = io.Copy(to, lateConn{from, p})
	_ = to.Close()
	_ = from.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, from)
}
