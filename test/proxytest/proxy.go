package proxytest

import (
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// Proxy stands between a test and a service. All methods may be called at any
// time, by anyone.
type Proxy struct {
	listener net.Listener
	work     sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond
	target  string
	links   map[*link]struct{}
	faults
}

// link is one connection through the proxy.
type link struct {
	client, server net.Conn
	lost           bool // nothing passes any more, ever
	mute           bool // the answers are kept back until Mend
	doomed         bool // its next answer is cut off
	ended          bool
}

// New returns a proxy before target, host:port or the path of a Unix socket. It
// ends with the test.
func New(t testing.TB, target string) *Proxy {
	t.Helper()
	p, err := Listen(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// Listen is New for a proxy that outlives a test: the caller must Close it.
func Listen(target string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: listener, target: target, links: map[*link]struct{}{}}
	p.changed = sync.NewCond(&p.mu)
	p.work.Go(p.accept)
	return p, nil
}

// Before returns the URL of a service with a new proxy in its place. A service
// without a port in its URL is PostgreSQL.
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

// Addr is where the proxy listens, as host:port. It keeps it while it is cut.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Retarget has new connections go to another place.
func (p *Proxy) Retarget(target string) { p.change(func() { p.target = target }) }

// Close ends the proxy and all that goes through it.
func (p *Proxy) Close() {
	p.change(func() { p.down, p.closed = true, true })
	_ = p.listener.Close()
	p.work.Wait()
}

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

// end is called with the lock.
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
		p.work.Go(func() { p.serve(client) })
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
	p.work.Go(func() { p.pass(l, server, client, false) })
	p.pass(l, client, server, true)
}

// dial refuses while the proxy is cut, and waits while it is held.
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

// pass copies one direction of a link until it ends; the end passes as bytes do.
func (p *Proxy) pass(l *link, to, from net.Conn, answer bool) {
	buffer := make([]byte, 64<<10)
	var seen watcher
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			pause := p.admit(l, &seen, buffer[:n], answer)
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

// finish ends a link when its end may pass.
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

// await waits while bytes are held back, and tells whether they may pass then.
func (p *Proxy) await(l *link, answer bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for (p.held || answer && l.mute) && !l.ended && !l.lost {
		p.changed.Wait()
	}
	return !l.ended && !l.lost
}
