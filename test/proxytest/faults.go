package proxytest

import (
	"bytes"
	"time"
)

// faults is what a proxy does to what passes.
type faults struct {
	down, held, closed bool
	delay              time.Duration
	quota              int // of bytes to the server before it holds; 0: no end

	cutAnswer func([]byte) bool // the answer to cut off
	marker    []byte            // in a request
	lose      bool              // the answer to marker is cut off, not held back
	passed    chan struct{}     // closed when marker has passed
}

// Cut breaks all connections and refuses new ones until Mend.
func (p *Proxy) Cut() { p.change(func() { p.down = true }) }

// Mend ends all faults; connections that were lost stay so.
func (p *Proxy) Mend() {
	p.change(func() {
		closed := p.closed
		p.faults = faults{closed: closed, down: closed}
		for l := range p.links {
			l.mute = false
		}
	})
}

// Hold keeps all bytes back, both ways, and the ends of connections and the
// beginnings of new ones, until Mend: a network that is interrupted.
func (p *Proxy) Hold() { p.change(func() { p.held = true }) }

// Held tells whether bytes are kept back.
func (p *Proxy) Held() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

// HoldAfter lets about n more bytes pass to the server, and then holds: a node
// that is stopped while it sends.
func (p *Proxy) HoldAfter(n int) { p.change(func() { p.quota = n }) }

// Lose drops all bytes of the present connections for good and closes none of
// them: both ends take them for good, half-open. New ones pass.
func (p *Proxy) Lose() {
	p.change(func() {
		for l := range p.links {
			l.lost = true
		}
	})
}

// Slow delays whatever passes by d, each way, until Mend.
func (p *Proxy) Slow(d time.Duration) { p.change(func() { p.delay = d }) }

// CutAnswer has the next answer of the server for which match is true cut off,
// with its connection: whatever it answers to has happened.
func (p *Proxy) CutAnswer(match func([]byte) bool) { p.change(func() { p.cutAnswer = match }) }

// CutAnswerTo has the connection cut when the server answers a request that
// contains marker: the request was carried out and nobody was told. The channel
// is closed when the request has passed.
func (p *Proxy) CutAnswerTo(marker string) <-chan struct{} { return p.watch(marker, true) }

// HoldAnswerTo is CutAnswerTo with the answer, and all after it on that
// connection, kept back until Mend instead of cut off.
func (p *Proxy) HoldAnswerTo(marker string) <-chan struct{} { return p.watch(marker, false) }

func (p *Proxy) watch(marker string, lose bool) <-chan struct{} {
	passed := make(chan struct{})
	p.change(func() { p.marker, p.lose, p.passed = []byte(marker), lose, passed })
	return passed
}

// watcher looks for a marker in a stream: it may come in two pieces.
type watcher struct{ tail []byte }

func (w *watcher) sees(data, marker []byte) bool {
	all := append(w.tail, data...)
	found := bytes.Contains(all, marker)
	w.tail = bytes.Clone(all[max(0, len(all)-len(marker)+1):])
	return found
}

// admit looks at bytes that are about to pass, and does what they are the
// occasion for. It returns how long they have to wait.
func (p *Proxy) admit(l *link, seen *watcher, data []byte, answer bool) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !answer:
		p.request(l, seen, data)
	case p.cutAnswer != nil && p.cutAnswer(data):
		p.cutAnswer = nil
		l.end()
	case l.doomed:
		l.end()
	}
	return p.delay
}

func (p *Proxy) request(l *link, seen *watcher, data []byte) {
	if p.quota > 0 {
		if p.quota -= len(data); p.quota <= 0 {
			p.quota, p.held = 0, true
		}
	}
	if p.marker == nil || !seen.sees(data, p.marker) {
		return
	}
	l.mute, l.doomed = !p.lose, p.lose
	close(p.passed)
	p.marker = nil
}
