package verify

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// device is one local store of a user. It lives through many sessions, until
// the user replaces it.
type device struct {
	user   *user
	number int
	rng    *lockedRand
	steady bool // never disconnects on its own

	serial  int // number of sessions so far
	id      string
	epoch   int
	renewed int

	syncing sync.Mutex // held during sync and pull; guards cursor

	mu       sync.Mutex
	session  *session // the live one, or nil
	holdings map[string]*holding
	cursor   string
	lastSync time.Time // when the last sync ended
}

// holding is what a device stores of one conversation.
type holding struct {
	held   intervals
	base   int64 // it needs every event above this seq
	floor  int64 // the highest floor_seq that the server named
	since  int   // session in which it was created
	head   int64 // the highest head that it knows of
	synced int64 // the head in the last sync
}

// maxBackfill is how many events below the head a new store reads.
const maxBackfill = 2000

// holding returns the store of a conversation, creating it if needed. The
// caller holds mu.
func (d *device) holding(id string) *holding {
	s := d.holdings[id]
	if s == nil {
		s = &holding{since: d.serial}
		d.holdings[id] = s
	}
	return s
}

// noteHead records that a conversation has reached head.
func (d *device) noteHead(id string, head int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.holding(id)
	s.head = max(s.head, head)
}

// storePush stores a pushed event. After the user's own removal it drops the
// conversation.
func (d *device) storePush(e *event, gone bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if gone {
		delete(d.holdings, e.ConversationID)
		return
	}
	s := d.holding(e.ConversationID)
	s.head = max(s.head, e.Seq)
	s.held.add(e.Seq, e.Seq)
}

// storeEvent stores an event of a page, unless the conversation was dropped in the
// meantime.
func (d *device) storeEvent(e *event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.holdings[e.ConversationID]; s != nil {
		s.head = max(s.head, e.Seq)
		s.held.add(e.Seq, e.Seq)
	}
}

// raiseFloor records a floor, which never decreases.
func (s *holding) raiseFloor(floor int64) {
	s.floor = max(s.floor, floor)
	s.base = max(s.base, s.floor)
}

// floor records the floor of a conversation, unless it was dropped in the
// meantime.
func (d *device) floor(id string, floor int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.holdings[id]; s != nil {
		s.raiseFloor(floor)
	}
}

// renew takes a new device id and an empty store.
func (d *device) renew() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.renewed++
	d.id = fmt.Sprintf("d%d.%d", d.number, d.renewed)
	d.holdings, d.cursor = map[string]*holding{}, ""
	d.user.r.tally.count(func(r *Report) { r.Devices++ })
}

// live returns the live session of the device, or nil.
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
		first, next = false, at+1 // not the node that closed the session
		left := d.runSession(ctx, s)
		wanted = time.Now()
		if left && ctx.Err() == nil && !r.quiet.Load() {
			next = d.rng.IntN(len(r.o.URLs))
			d.betweenSessions(ctx)
			wanted = time.Now()
		}
	}
}

// connect tries one node after the other until a session starts, and returns
// the index of its node. It returns nil when ctx ends first. After a refusal it
// tries the next node at once; after a round over all nodes it waits.
func (d *device) connect(ctx context.Context, from int) (s *session, at int) {
	r := d.user.r
	for tries := 0; ctx.Err() == nil; tries++ {
		if n := len(r.o.URLs); tries > 0 && tries%n == 0 {
			sleep(ctx, jitter(d.rng, tries/n))
		}
		at = (from + tries) % len(r.o.URLs)
		s, err := d.dial(ctx, r.o.URLs[at], d.rng.IntN(5) == 0 || d.startsSlow(), dialTimeout(tries/len(r.o.URLs)))
		if err == nil {
			return s, at
		}
		if ctx.Err() == nil {
			r.tally.fault(err.Error())
		}
	}
	return nil, 0
}

// startsSlow reports whether this first session gets a small receive buffer, so
// that some slow readers exist from the start.
func (d *device) startsSlow() bool { return d.serial == 0 && d.number == 1 && d.user.index%3 == 1 }

// betweenSessions sometimes renews the device, and sometimes waits.
func (d *device) betweenSessions(ctx context.Context) {
	if d.steady {
		return
	}
	switch n := d.rng.IntN(10); {
	case n < 2:
		d.renew()
	case n < 5:
		sleep(ctx, time.Duration(d.rng.Int64N(int64(2*time.Second))))
	}
}

// jitter returns the wait after the n-th round over all nodes, as the contract
// defines it.
func jitter(rng *lockedRand, n int) time.Duration {
	limit := min(500*time.Millisecond<<min(n-1, 8), 20*time.Second)
	return time.Duration(rng.Int64N(int64(limit)))
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// runSession runs one session to its end. It reports whether the device left on its
// own.
func (d *device) runSession(ctx context.Context, s *session) (left bool) {
	d.mu.Lock()
	d.serial++
	if d.epoch != s.epoch {
		d.epoch, d.holdings, d.cursor = s.epoch, map[string]*holding{}, ""
	}
	d.session = s
	d.mu.Unlock()
	ended := make(chan string, 1)
	go func() { ended <- s.read() }()
	left = d.attend(ctx, s)
	d.mu.Lock()
	d.session = nil
	d.mu.Unlock()
	leftAlive := s.alive()
	close(s.left)
	_ = s.ws.Close()
	how := <-ended
	if !leftAlive {
		s.r.tally.fault(how)
	}
	s.r.keepRecord(s)
	return left && leftAlive
}

// alive reports whether the socket is still open.
func (s *session) alive() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// attend syncs, pings, acknowledges and pauses, until the session ends, the
// device leaves, or ctx ends. It reports whether the device left on its own.
func (d *device) attend(ctx context.Context, s *session) (left bool) {
	life := time.Duration(d.rng.ExpFloat64() * float64(8*time.Second))
	until := time.Now().Add(max(life, 300*time.Millisecond))
	d.syncing.Lock()
	if d.sync(ctx, s) == nil {
		_ = d.catchUp(ctx, s) // retried as long as the session lives
	}
	d.syncing.Unlock()
	tick := time.NewTicker(pingInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-s.done:
			return false
		case now := <-tick.C:
			quiet := s.r.quiet.Load()
			if s.silent(now) || s.draining() {
				return false
			}
			if s.overflows() {
				until = latest(until, now.Add(stallAfter)) // to see what follows the gap
			}
			if !quiet && !d.steady && now.After(until) {
				return true
			}
			s.ping()
			d.onTick(ctx, s, quiet)
		}
	}
}

// silent reports whether the socket stopped receiving.
func (s *session) silent(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused || now.Sub(s.lastFrame) < deadAfter {
		return false
	}
	s.r.tally.fault("silent socket")
	return true
}

// draining reports whether the node asked the session to reconnect elsewhere.
func (s *session) draining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nodeDrains
}

// onTick runs once per pingInterval: it pauses, pulls, probes or acknowledges.
func (d *device) onTick(ctx context.Context, s *session, quiet bool) {
	reading := s.reading()
	if !quiet && reading && d.pauses(s) {
		s.r.tally.count(func(r *Report) { r.SlowReaders++ })
		return
	}
	if reading {
		d.syncing.Lock()
		_ = d.catchUp(ctx, s)
		d.syncing.Unlock()
		if !quiet && d.rng.IntN(4) == 0 {
			d.probe(ctx, s)
		}
	}
	if d.rng.IntN(3) == 0 {
		_ = s.write(map[string]any{"type": "ack", "acks": d.positions()})
	}
}

// pauses sometimes makes the session stop reading: for seconds, or until the node
// drops events. It reports whether it did.
func (d *device) pauses(s *session) bool {
	if s.r.o.Floods && s.smallBuffer && d.rng.IntN(3) == 0 {
		if c := s.r.convs.choose(d.user.name, d.rng, true); c != nil && s.r.floods.begin(c.id, time.Now()) {
			s.requestPause(true, func() bool { return !s.r.quiet.Load() && s.r.floods.now(time.Now()) == c.id })
			return true
		}
	}
	if d.rng.IntN(25) > 0 {
		return false
	}
	until := time.Now().Add(time.Second + time.Duration(d.rng.Int64N(int64(4*time.Second))))
	s.requestPause(false, func() bool { return time.Now().Before(until) })
	return true
}

// overflows reports whether the session does not read until the node drops events.
func (s *session) overflows() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flooded
}

// positions returns, for each conversation, the end of what the device holds
// without a hole.
func (d *device) positions() map[string]int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	acks := map[string]int64{}
	for id, s := range d.holdings {
		if p := s.held.position(); p > 0 && len(acks) < 100 {
			acks[id] = p
		}
	}
	return acks
}
