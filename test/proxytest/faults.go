package proxytest

import (
	"bytes"
	"time"
)

// faults are the present faults of a proxy.
//
// The fault of a marker has these states:
//
//	marker set     waiting for a request with the marker
//	request seen   passed is closed; the link is doomed (cut) or mute (hold)
//	answer         a doomed link is cut; a mute one holds its answers until Mend
type faults struct {
	down   bool // Cut: no connections
	held   bool // Hold: no bytes pass
	closed bool // Close was called
	delay  time.Duration
	quota  int // bytes to the server until held is set; 0 means no limit

	cutAnswer func([]byte) bool // reports whether to cut before this answer
	marker    []byte            // in a request; nil without one
	cut       bool              // the answer to the marker is cut, not held
	passed    chan struct{}     // closed when the marker has passed
}

// Cut closes all connections and refuses new ones until Mend.
func (p *Proxy) Cut() { p.change(func() { p.down = true }) }

// Mend ends all faults. Connections that Lose affected stay lost.
func (p *Proxy) Mend() {
	p.change(func() {
		closed := p.closed
		p.faults = faults{closed: closed, down: closed}
		for l := range p.links {
			l.mute = false
		}
	})
}

// Hold holds all bytes in both directions until Mend, and also the closing of
// connections and the opening of new ones, as an interrupted network does.
func (p *Proxy) Hold() { p.change(func() { p.held = true }) }

// Held reports whether bytes are held.
func (p *Proxy) Held() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

// HoldAfter lets about n more bytes pass to the server and then holds, as when a node
// is stopped while it sends.
func (p *Proxy) HoldAfter(n int) { p.change(func() { p.quota = n }) }

// Lose drops all further bytes of the present connections without closing them: they are
// half-open, and both ends consider them intact. New connections work.
func (p *Proxy) Lose() {
	p.change(func() {
		for l := range p.links {
			l.lost = true
		}
	})
}

// Slow delays all bytes by d in each direction, until Mend.
func (p *Proxy) Slow(d time.Duration) { p.change(func() { p.delay = d }) }

// CutAnswer closes a connection instead of passing the next answer of the server for
// which match returns true. The server has then carried out the request.
func (p *Proxy) CutAnswer(match func([]byte) bool) { p.change(func() { p.cutAnswer = match }) }

// CutAnswerTo closes the connection when the server answers a request that contains
// marker. The server has carried out the request, and the client does not learn of it.
// The returned channel is closed when the request has passed.
func (p *Proxy) CutAnswerTo(marker string) <-chan struct{} { return p.watch(marker, true) }

// HoldAnswerTo is like CutAnswerTo, but holds the answer and all later ones of that
// connection until Mend.
func (p *Proxy) HoldAnswerTo(marker string) <-chan struct{} { return p.watch(marker, false) }

func (p *Proxy) watch(marker string, cut bool) <-chan struct{} {
	passed := make(chan struct{})
	p.change(func() { p.marker, p.cut, p.passed = []byte(marker), cut, passed })
	return passed
}

// finder finds a marker in a stream, even if it arrives in two pieces.
type finder struct{ tail []byte }

// find reports whether the marker ends in data.
func (f *finder) find(data, marker []byte) bool {
	all := append(f.tail, data...)
	found := bytes.Contains(all, marker)
	f.tail = bytes.Clone(all[max(0, len(all)-len(marker)+1):])
	return found
}

// admit applies the faults to bytes that are about to pass. It returns how long to delay
// them.
func (p *Proxy) admit(l *link, f *finder, data []byte, answer bool) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !answer:
		p.request(l, f, data)
	case p.cutAnswer != nil && p.cutAnswer(data):
		p.cutAnswer = nil
		l.end()
	case l.doomed:
		l.end()
	}
	return p.delay
}

// request applies the faults to bytes on their way to the server.
func (p *Proxy) request(l *link, f *finder, data []byte) {
	if p.quota > 0 {
		if p.quota -= len(data); p.quota <= 0 {
			p.quota, p.held = 0, true
		}
	}
	if p.marker == nil || !f.find(data, p.marker) {
		return
	}
	l.mute, l.doomed = !p.cut, p.cut
	close(p.passed)
	p.marker = nil
}
