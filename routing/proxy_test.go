package routing

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy stands before a service and can be cut, frozen and healed.
type proxy struct {
	t       *testing.T
	address string
	target  string

	mu       sync.Mutex
	frozen   chan struct{} // closed when traffic may flow
	listener net.Listener
	conns    map[net.Conn]struct{}
	work     sync.WaitGroup
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	p := &proxy{t: t, target: target, address: "127.0.0.1:0", conns: make(map[net.Conn]struct{}), frozen: make(chan struct{})}
	close(p.frozen)
	p.heal()
	t.Cleanup(func() { p.thaw(); p.cut(); p.work.Wait() })
	return p
}

// before returns the service's URL with the proxy in its place.
func before(t *testing.T, service string) (*proxy, string) {
	t.Helper()
	parsed, err := url.Parse(service)
	require.NoError(t, err)
	p := newProxy(t, parsed.Host)
	parsed.Host = p.address
	return p, parsed.String()
}

func (p *proxy) heal() {
	p.t.Helper()
	listener, err := net.Listen("tcp", p.address)
	require.NoError(p.t, err)
	p.mu.Lock()
	p.listener, p.address = listener, listener.Addr().String()
	p.mu.Unlock()
	p.work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.serve(conn)
		}
	})
}

func (p *proxy) serve(conn net.Conn) {
	to, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = conn.Close()
		return
	}
	p.mu.Lock()
	p.conns[conn], p.conns[to] = struct{}{}, struct{}{}
	p.mu.Unlock()
	for _, pair := range [][2]net.Conn{{conn, to}, {to, conn}} {
		p.work.Go(func() {
			_, _ = io.Copy(gate{pair[0], p}, pair[1])
			_, _ = pair[0].Close(), pair[1].Close()
		})
	}
}

type gate struct {
	net.Conn
	p *proxy
}

func (g gate) Write(b []byte) (int, error) {
	g.p.mu.Lock()
	frozen := g.p.frozen
	g.p.mu.Unlock()
	<-frozen
	return g.Conn.Write(b)
}

// ReadFrom would go around Write.
func (g gate) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{g}, r)
}

// cut breaks all connections and refuses new ones.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		_ = p.listener.Close()
	}
	for conn := range p.conns {
		_ = conn.Close()
	}
	clear(p.conns)
}

// freeze leaves connections open and lets nothing through: a half-open network.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = make(chan struct{})
}

func (p *proxy) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.frozen:
	default:
		close(p.frozen)
	}
}
