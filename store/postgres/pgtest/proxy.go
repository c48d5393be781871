package pgtest

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// Proxy stands between a test and the server, to be cut and mended.
type Proxy struct {
	// URL is the database's, by way of the proxy.
	URL string

	target   string
	listener net.Listener
	done     sync.WaitGroup

	mu      sync.Mutex
	thawed  *sync.Cond
	conns   map[net.Conn]struct{}
	down    bool
	frozen  bool
	closed  bool
	answers func([]byte) bool // true: cut instead of passing it on
	quota   int               // of bytes to the server before it freezes; 0: no end
}

// NewProxy returns a proxy before the database at databaseURL, closed with the test.
func NewProxy(t testing.TB, databaseURL string) *Proxy {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	target := u.Host
	if u.Port() == "" {
		target = net.JoinHostPort(u.Hostname(), "5432")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u.Host = listener.Addr().String()
	p := &Proxy{URL: u.String(), target: target, listener: listener, conns: map[net.Conn]struct{}{}}
	p.thawed = sync.NewCond(&p.mu)
	p.done.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Cut closes all connections and refuses new ones until Mend.
func (p *Proxy) Cut() { p.set(func() { p.down = true }) }

// Mend lets everything pass again.
func (p *Proxy) Mend() { p.set(func() { p.down, p.frozen = false, false }) }

// Freeze holds all bytes back, both ways, and closes nothing: a network that
// swallows everything.
func (p *Proxy) Freeze() { p.set(func() { p.frozen = true }) }

// FreezeHalfWay lets about n more bytes pass to the server, and then freezes: a
// node that is stopped while it sends.
func (p *Proxy) FreezeHalfWay(n int) { p.set(func() { p.quota = n }) }

// Frozen tells whether bytes are held back.
func (p *Proxy) Frozen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.frozen
}

// CutAnswer has the next answer of the server for which match is true cut off,
// with its connection: whatever it answers to has happened.
func (p *Proxy) CutAnswer(match func([]byte) bool) { p.set(func() { p.answers = match }) }

func (p *Proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	if p.down {
		for conn := range p.conns {
			conn.Close()
		}
	}
	p.thawed.Broadcast()
}

func (p *Proxy) close() {
	p.set(func() { p.closed, p.down, p.frozen = true, true, false })
	p.listener.Close()
	p.done.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.done.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	if !p.keep(client) {
		return
	}
	defer p.drop(client)
	server, err := net.Dial("tcp", p.target)
	if err != nil || !p.keep(server) {
		return
	}
	defer p.drop(server)
	var both sync.WaitGroup
	both.Go(func() { p.pass(server, client, false) })
	both.Go(func() { p.pass(client, server, true) })
	both.Wait()
}

func (p *Proxy) keep(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		conn.Close()
		return false
	}
	p.conns[conn] = struct{}{}
	return true
}

func (p *Proxy) drop(conn net.Conn) {
	p.mu.Lock()
	delete(p.conns, conn)
	p.mu.Unlock()
	conn.Close()
}

func (p *Proxy) pass(to, from net.Conn, answer bool) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if !p.may(buffer[:n], answer) {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// may waits while the proxy is frozen.
func (p *Proxy) may(data []byte, answer bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !answer && p.quota > 0 {
		p.quota -= len(data)
		if p.quota <= 0 {
			p.quota, p.frozen = 0, true
		}
	}
	for p.frozen && !p.closed {
		p.thawed.Wait()
	}
	if answer && p.answers != nil && p.answers(data) {
		p.answers = nil
		return false
	}
	return !p.down
}
