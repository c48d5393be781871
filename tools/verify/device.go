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
	told    time.Time // when the last sync ended
}

// shelf is what a device holds of a conversation.
type shelf struct {
	held   stretches
	base   int64 // it wants everything from here on
	floor  int64 // the lowest seq that it was told it may read
	since  int   // the session in which it was made
	head   int64 // the furthest that it knows of
	synced int64 // the head that the last sync told
}

// furthest is how far back a new store reads.
const furthest = 2000

// shelf returns the place of a conversation. The caller holds mu.
func (d *device) shelf(id string) *shelf {
	s := d.shelves[id]
	if s == nil {
		s = &shelf{since: d.serial}
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

// from notes the lowest seq that the user may read, which never goes down.
func (s *shelf) from(floor int64) {
	s.floor = max(s.floor, floor)
	s.base = max(s.base, s.floor)
}

// floor notes the floor of a conversation, unless it has gone meanwhile.
func (d *device) floor(id string, floor int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.shelves[id]; s != nil {
		s.from(floor)
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
	wanted, first, next := time.Now(), true, d.rng.IntN(len(d.user.r.o.URLs))
	for ctx.Err() == nil {
		r := d.user.r
		s, at := d.connect(ctx, next)
		if s == nil {
			return
		}
		r.tally.reached(time.Since(wanted))
		r.tally.count(func(r *Report) { r.Sessions++ })
		if !first {
			r.tally.count(func(r *Report) { r.Reconnects++ })
		}
		first, next = false, at+1 // not the node that sent it away
		left := d.use(ctx, s)
		wanted = time.Now()
		if left && ctx.Err() == nil && !r.calm.Load() {
			next = d.rng.IntN(len(r.o.URLs))
			d.between(ctx)
			wanted = time.Now()
		}
	}
}

// connect tries node after node from one on, until a session begins, and tells
// which node it is of; nil when ctx ends first. When one refuses, the next is
// tried at once; after a round over all of them, the device waits.
func (d *device) connect(ctx context.Context, from int) (s *session, at int) {
	r := d.user.r
	for tries := 0; ctx.Err() == nil; tries++ {
		if n := len(r.o.URLs); tries > 0 && tries%n == 0 {
			nap(ctx, jitter(d.rng, tries/n))
		}
		at = (from + tries) % len(r.o.URLs)
		s, err := d.dial(ctx, r.o.URLs[at], d.rng.IntN(5) == 0 || d.begins(), dialing(tries/len(r.o.URLs)))
		if err == nil {
			return s, at
		}
		if ctx.Err() == nil {
			r.tally.fault(err.Error())
		}
	}
	return nil, 0
}

// begins tells whether this is the first session of one of those devices that begin
// with little room for what they do not read, so that there are some from the start.
func (d *device) begins() bool { return d.serial == 0 && d.number == 1 && d.user.index%3 == 1 }

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

// jitter is the wait after the n-th round over all nodes, as the contract says.
func jitter(rng *dice, n int) time.Duration {
	limit := min(500*time.Millisecond<<min(n-1, 8), 20*time.Second)
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

// use lives through one session, and tells whether the device left by itself.
func (d *device) use(ctx context.Context, s *session) (left bool) {
	d.mu.Lock()
	d.serial++
	if d.epoch != s.epoch {
		d.epoch, d.shelves, d.cursor = s.epoch, map[string]*shelf{}, ""
	}
	d.session = s
	d.mu.Unlock()
	ended := make(chan string, 1)
	go func() { ended <- s.read() }()
	left = d.attend(ctx, s)
	d.mu.Lock()
	d.session = nil
	d.mu.Unlock()
	meant := s.alive()
	close(s.left)
	_ = s.ws.Close()
	how := <-ended
	if !meant {
		s.r.tally.fault(how)
	}
	s.r.file(s)
	return left && meant
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
// device leaves, or ctx ends. It tells whether the device left by itself.
func (d *device) attend(ctx context.Context, s *session) (left bool) {
	life := time.Duration(d.rng.ExpFloat64() * float64(8*time.Second))
	until := time.Now().Add(max(life, 300*time.Millisecond))
	d.syncing.Lock()
	if d.sync(ctx, s) == nil {
		_ = d.catchUp(ctx, s) // it is tried again as long as the session lives
	}
	d.syncing.Unlock()
	tick := time.NewTicker(pinging)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-s.done:
			return false
		case now := <-tick.C:
			calm := s.r.calm.Load()
			if s.gone(now) || s.draining() {
				return false
			}
			if s.overflows() {
				until = latest(until, now.Add(silence)) // what comes after the gap is to be seen
			}
			if !calm && !d.steady && now.After(until) {
				return true
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
	if s.paused || now.Sub(s.heard) < deadness {
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
	reading := s.reading()
	if !calm && reading && d.pauses(s) {
		s.r.tally.count(func(r *Report) { r.SlowReaders++ })
		return
	}
	if reading {
		d.syncing.Lock()
		_ = d.catchUp(ctx, s)
		d.syncing.Unlock()
		if !calm && d.rng.IntN(4) == 0 {
			d.probe(ctx, s)
		}
	}
	if d.rng.IntN(3) == 0 {
		_ = s.write(map[string]any{"type": "ack", "acks": d.positions()})
	}
}

// pauses has the session stop reading now and then: for seconds, or until what is
// pushed to it overflows.
func (d *device) pauses(s *session) bool {
	if s.r.o.Floods && s.narrow && d.rng.IntN(3) == 0 {
		if c := s.r.rooms.of(d.user.name, d.rng, true); c != nil && s.r.floods.begin(c.id, time.Now()) {
			s.stop(true, func() bool { return !s.r.calm.Load() && s.r.floods.now(time.Now()) == c.id })
			return true
		}
	}
	if d.rng.IntN(25) > 0 {
		return false
	}
	until := time.Now().Add(time.Second + time.Duration(d.rng.Int64N(int64(4*time.Second))))
	s.stop(false, func() bool { return time.Now().Before(until) })
	return true
}

// overflows tells whether the session does not read until it overflows.
func (s *session) overflows() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flooded
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
