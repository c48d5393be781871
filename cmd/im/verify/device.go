package verify

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// device is one store of a user: it lives through many sessions, until the user
// takes a new one.
type device struct {
	user   *user
	number int
	rng    *dice
	steady bool // it never leaves by itself

	serial  int // of sessions
	id      string
	epoch   int
	renewed int

	syncing sync.Mutex // held by whoever syncs and pulls; it guards cursor

	mu      sync.Mutex
	session *session // the live one, or nil
	shelves map[string]*shelf
	cursor  string
}

// shelf is what a device holds of a conversation.
type shelf struct {
	held   stretches
	base   int64 // it wants everything from here on
	head   int64 // the furthest that it knows of
	synced int64 // the head that the last sync told
}

// furthest is how far back a new store reads.
const furthest = 2000

// shelf returns the place of a conversation. The caller holds mu.
func (d *device) shelf(id string) *shelf {
	s := d.shelves[id]
	if s == nil {
		s = &shelf{}
		d.shelves[id] = s
	}
	return s
}

// know notes that a conversation has come up to head.
func (d *device) know(id string, head int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.shelf(id)
	s.head = max(s.head, head)
}

// hold stores an event; with its own removal, the conversation is gone.
func (d *device) hold(e *event, gone bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if gone {
		delete(d.shelves, e.ConversationID)
		return
	}
	s := d.shelf(e.ConversationID)
	s.head = max(s.head, e.Seq)
	s.held.add(e.Seq, e.Seq)
}

// keep stores an event of a page, unless the conversation has gone meanwhile.
func (d *device) keep(e *event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.shelves[e.ConversationID]; s != nil {
		s.head = max(s.head, e.Seq)
		s.held.add(e.Seq, e.Seq)
	}
}

// renew takes a new device id and an empty store.
func (d *device) renew() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.renewed++
	d.id = fmt.Sprintf("d%d.%d", d.number, d.renewed)
	d.shelves, d.cursor = map[string]*shelf{}, ""
	d.user.r.tally.count(func(r *Report) { r.Devices++ })
}

// live returns the device's session, if it has one.
func (d *device) live() *session {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.session
}

// run keeps the device connected, with interruptions, until ctx ends.
func (d *device) run(ctx context.Context) {
	d.renew()
	if d.user.r.o.Token == nil {
		d.poll(ctx)
		return
	}
	wanted, first := time.Now(), true
	for failures := 0; ctx.Err() == nil; {
		r := d.user.r
		s, err := d.dial(ctx, d.user.node(d.rng), d.rng.IntN(5) == 0)
		if err != nil {
			if ctx.Err() == nil {
				r.tally.fault(err.Error())
			}
			failures++
			nap(ctx, jitter(d.rng, failures))
			continue
		}
		failures = 0
		r.tally.reached(time.Since(wanted))
		r.tally.count(func(r *Report) { r.Sessions++ })
		if !first {
			r.tally.count(func(r *Report) { r.Reconnects++ })
		}
		first = false
		d.use(ctx, s)
		wanted = time.Now()
		if ctx.Err() == nil && !r.calm.Load() {
			d.between(ctx)
			wanted = time.Now()
		}
	}
}

// between is what happens between two sessions.
func (d *device) between(ctx context.Context) {
	if d.steady {
		return
	}
	switch n := d.rng.IntN(10); {
	case n < 2:
		d.renew()
	case n < 5:
		nap(ctx, time.Duration(d.rng.Int64N(int64(2*time.Second))))
	}
}

// jitter is the wait before the n-th attempt to connect, as the contract says.
func jitter(rng *dice, n int) time.Duration {
	limit := min(500*time.Millisecond<<min(n, 8), 5*time.Second)
	return time.Duration(rng.Int64N(int64(limit)))
}

func nap(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// use lives through one session.
func (d *device) use(ctx context.Context, s *session) {
	d.serial++
	d.mu.Lock()
	if d.epoch != s.epoch {
		d.epoch, d.shelves, d.cursor = s.epoch, map[string]*shelf{}, ""
	}
	d.session = s
	d.mu.Unlock()
	ended := make(chan string, 1)
	go func() { ended <- s.read() }()
	d.attend(ctx, s)
	d.mu.Lock()
	d.session = nil
	d.mu.Unlock()
	meant := s.alive()
	_ = s.ws.Close()
	how := <-ended
	if !meant {
		s.r.tally.fault(how)
	}
	s.r.file(s)
}

// alive tells whether the socket has not ended by itself.
func (s *session) alive() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// attend does what a client does beside sending, until the session ends, the
// device leaves, or ctx ends.
func (d *device) attend(ctx context.Context, s *session) {
	life := time.Duration(d.rng.ExpFloat64() * float64(8*time.Second))
	until := time.Now().Add(max(life, 300*time.Millisecond))
	d.syncing.Lock()
	if d.sync(ctx, s) {
		d.catchUp(ctx, s)
	}
	d.syncing.Unlock()
	tick := time.NewTicker(pinging)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.done:
			return
		case now := <-tick.C:
			calm := s.r.calm.Load()
			if s.gone(now) || s.draining() || !calm && !d.steady && now.After(until) {
				return
			}
			s.ping()
			d.chores(ctx, s, calm)
		}
	}
}

// gone tells whether nothing comes any more.
func (s *session) gone(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused || s.pause > 0 || now.Sub(s.heard) < deadness {
		return false
	}
	s.r.tally.fault("silent socket")
	return true
}

func (s *session) draining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leave
}

func (d *device) chores(ctx context.Context, s *session, calm bool) {
	if !calm && d.rng.IntN(25) == 0 {
		s.mu.Lock()
		s.pause = time.Second + time.Duration(d.rng.Int64N(int64(4*time.Second)))
		s.mu.Unlock()
		s.r.tally.count(func(r *Report) { r.SlowReaders++ })
		return
	}
	s.mu.Lock()
	reading := !s.paused && s.pause == 0
	s.mu.Unlock()
	if reading {
		d.syncing.Lock()
		d.catchUp(ctx, s)
		d.syncing.Unlock()
	}
	if d.rng.IntN(3) == 0 {
		_ = s.write(map[string]any{"type": "ack", "acks": d.positions()})
	}
}

// positions is what the device holds without a hole.
func (d *device) positions() map[string]int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	acks := map[string]int64{}
	for id, s := range d.shelves {
		if p := s.held.position(); p > 0 && len(acks) < 100 {
			acks[id] = p
		}
	}
	return acks
}
