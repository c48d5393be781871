package proxytest

import (
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// Proxy is a TCP proxy between a test and a service. Its methods are safe for concurrent
// use.
type Proxy struct {
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond // the faults, or the state of a link
	target  string
	links   map[*link]struct{}
	faults
}

// link is one connection through the proxy.
type link struct {
	client, server net.Conn
	lost           bool // no bytes pass any more
	mute           bool // answers are held until Mend
	doomed         bool // it is closed at its next answer
	ended          bool
}

// New returns a proxy in front of target, which is host:port or the path of a Unix
// socket. The proxy is closed at the end of the test.
func New(t testing.TB, target string) *Proxy {
	t.Helper()
	p, err := Listen(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// Listen is like New, for a proxy that outlives a test. The caller must Close it.
func Listen(target string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: listener, target: target, links: map[*link]struct{}{}}
	p.changed = sync.NewCond(&p.mu)
	p.running.Go(p.accept)
	return p, nil
}

// Before returns a proxy in front of a service, and the URL of the service with the
// address of the proxy. If the URL has no port, it is that of PostgreSQL.
func Before(t testing.TB, service string) (throughProxy string, p *Proxy) {
	t.Helper()
	u, err := url.Parse(service)
	if err != nil {
		t.Fatal(err)
	}
	target := u.Host
	if u.Port() == "" {
		target = net.JoinHostPort(u.Hostname(), "5432")
	}
	p = New(t, target)
	u.Host = p.Addr()
	return u.String(), p
}

// Addr returns the address of the proxy, as host:port. It stays the same during a Cut.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Retarget makes new connections go to another target.
func (p *Proxy) Retarget(target string) { p.change(func() { p.target = target }) }

// Close closes the proxy and all its connections.
func (p *Proxy) Close() {
	p.change(func() { p.down, p.closed = true, true })
	_ = p.listener.Close()
	p.running.Wait()
}

// change changes the faults and applies them to the links.
func (p *Proxy) change(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	if p.down {
		for l := range p.links {
			l.end()
		}
	}
	p.changed.Broadcast()
}

// end closes both connections. The caller must hold the lock.
func (l *link) end() {
	l.ended = true
	_ = l.client.Close()
	_ = l.server.Close()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	server, err := p.dial()
	if err != nil {
		_ = client.Close()
		return
	}
	l := &link{client: client, server: server}
	p.mu.Lock()
	if p.down {
		l.end()
	} else {
		p.links[l] = struct{}{}
	}
	p.mu.Unlock()
	p.running.Go(func() { p.pass(l, server, client, false) })
	p.pass(l, client, server, true)
}

// dial connects to the target. It waits while the proxy holds, and fails while it is cut.
func (p *Proxy) dial() (net.Conn, error) {
	p.mu.Lock()
	for p.held && !p.down {
		p.changed.Wait()
	}
	down, target := p.down, p.target
	p.mu.Unlock()
	if down {
		return nil, net.ErrClosed
	}
	network := "tcp"
	if strings.HasPrefix(target, "/") {
		network = "unix"
	}
	return net.Dial(network, target)
}

// pass copies one direction of a link until it ends. Faults apply to the end of the
// stream as they do to bytes.
func (p *Proxy) pass(l *link, to, from net.Conn, answer bool) {
	buffer := make([]byte, 64<<10)
	var f finder
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			pause := p.admit(l, &f, buffer[:n], answer)
			time.Sleep(pause)
			if p.await(l, answer) {
				_, werr := to.Write(buffer[:n])
				if werr != nil {
					err = werr
				}
			}
		}
		if err != nil {
			p.finish(l, answer)
			return
		}
	}
}

// finish ends a link, as soon as the faults let the end pass.
func (p *Proxy) finish(l *link, answer bool) {
	p.await(l, answer)
	p.mu.Lock()
	defer p.mu.Unlock()
	for l.lost && !l.ended {
		p.changed.Wait()
	}
	l.end()
	delete(p.links, l)
	p.changed.Broadcast()
}

// await waits while bytes are held. It reports whether they may then pass.
func (p *Proxy) await(l *link, answer bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for (p.held || answer && l.mute) && !l.ended && !l.lost {
		p.changed.Wait()
	}
	return !l.ended && !l.lost
}
