package verify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// runner is the shared state of one run.
type runner struct {
	o        *Options
	api      *api
	clock    *clock
	tally    *tally
	ledger   *ledger
	observed *observations
	convs    *conversationSet
	floors   *floors
	floods   floods
	users    []*user
	hook     *receiver // nil without a webhook

	quiet   atomic.Bool   // users no longer send or leave
	sockets atomic.Uint32 // serial numbers
	work    sync.WaitGroup

	mu      sync.Mutex
	epochs  []string
	seen    []time.Time     // when each epoch was first seen
	records []sessionRecord // of ended sessions

	socketClaims map[string][]claim // by conversation: unread counts of the last syncs over sockets
}

// Run simulates the users and checks the guarantees. It returns an error only
// if nothing could be checked: invalid options, or no cluster. Breaches are in
// the report. If ctx ends early, Run checks what happened so far.
func Run(ctx context.Context, o Options) (*Report, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	r := newRunner(&o)
	defer r.api.http.CloseIdleConnections()
	if r.hook, err = r.startReceiver(ctx); err != nil {
		return nil, err
	}
	defer r.hook.close()
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	r.hook.leave(o.Duration/3, o.WebhookAway)
	r.simulate(ctx)
	r.hook.await(context.WithoutCancel(ctx))
	r.finish()
	return r.tally.finish(), nil
}

func newRunner(o *Options) *runner {
	if o.Seed == 0 {
		o.Seed = rand.Uint64()>>11 | 1 // exact in a JSON number
	}
	if o.Prefix == "" {
		o.Prefix = fmt.Sprintf("v%x", rand.Uint32())
	}
	r := &runner{o: o, api: newAPI(o), clock: new(clock), tally: new(tally), observed: newObservations(), convs: newConversationSet(), floors: newFloors(), socketClaims: map[string][]claim{}}
	r.tally.report = Report{
		Seed: o.Seed, Prefix: o.Prefix, Started: time.Now().UTC(), Users: int64(o.Users), Sockets: o.Token != nil, Faults: map[string]int64{},
		Breaches: []Breach{}, ByInvariant: map[string]int64{}, Unfinished: []string{},
	}
	for i := range o.Users {
		u := &user{r: r, index: i, name: fmt.Sprintf("%s-u%d", o.Prefix, i+1), rng: stream64(o.Seed, i, 0), reads: map[string]readMark{}}
		u.number = r.observed.client(u.name)
		for n := range 1 + i%2 + u.rng.IntN(2) {
			u.devices = append(u.devices, &device{
				user: u, number: n + 1, rng: &lockedRand{rng: stream64(o.Seed, i, n+1)}, steady: n == 0 && i%3 == 0, holdings: map[string]*holding{},
			})
		}
		r.users = append(r.users, u)
	}
	r.ledger = newLedger(r.tally, r.users)
	return r
}

// stream64 is the random source of one actor.
func stream64(seed uint64, user, actor int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(user)<<16|uint64(actor)))
}

// prepare creates the first conversations.
func (r *runner) prepare(ctx context.Context) error {
	rng := stream64(r.o.Seed, 1<<20, 0)
	for n := range r.o.Conversations {
		u := r.users[rng.IntN(len(r.users))]
		others, as := 1, groupKind{}
		if n%3 > 0 {
			others = 2 + rng.IntN(min(len(r.users)-2, 12))
		}
		if n%3 == 2 {
			as = changingKinds()[n/3%3]
		}
		done := false
		for range 5 {
			if done = u.createGroup(ctx, r.users, others, as); done || ctx.Err() != nil {
				break
			}
			sleep(ctx, 500*time.Millisecond)
		}
		if !done && n == 0 {
			return fmt.Errorf("no conversation can be made at %s: %w", r.o.URLs[0], r.firstFault())
		}
	}
	return ctx.Err()
}

func (r *runner) firstFault() error {
	r.tally.mu.Lock()
	defer r.tally.mu.Unlock()
	for what := range r.tally.report.Faults {
		return errors.New(what)
	}
	return context.Canceled
}

// simulate lets all users act for the duration, then waits until everything is
// answered and delivered.
func (r *runner) simulate(ctx context.Context) {
	began := time.Now()
	playing, stop := context.WithTimeout(ctx, r.o.Duration)
	defer stop()
	settling, settled := context.WithCancel(context.WithoutCancel(ctx))
	defer settled()
	connected, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()

	var devices, users sync.WaitGroup
	for _, u := range r.users {
		users.Go(func() { u.run(playing, settling) })
		for _, d := range u.devices {
			devices.Go(func() { d.run(connected) })
		}
	}
	r.progress(playing, began)
	r.quiet.Store(true)
	r.say("settling")
	deadline := time.Now().Add(r.o.Settle)
	r.await(deadline, func() bool { return r.idle() })
	settled()
	users.Wait()
	r.work.Wait()
	r.converge(connected, deadline)
	hangUp()
	devices.Wait()
}

// background runs work that is waited for at the end of the run.
func (r *runner) background(f func()) { r.work.Go(f) }

func (r *runner) idle() bool {
	for _, u := range r.users {
		if !u.idle() {
			return false
		}
	}
	return true
}

// await polls until a condition holds, or the deadline has passed.
func (r *runner) await(deadline time.Time, condition func() bool) bool {
	for !condition() {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(50 * time.Millisecond)
	}
	return true
}

// progress reports until the simulation ends.
func (r *runner) progress(playing context.Context, began time.Time) {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-playing.Done():
			return
		case <-tick.C:
			r.tally.sampleMemory()
			var line string
			r.tally.count(func(p *Report) {
				line = fmt.Sprintf("%4.0f s  %d sends, %d answered, %d deliveries, %d reconnects, %d breaches",
					time.Since(began).Seconds(), p.Sends, p.Answered, p.Deliveries, p.Reconnects, p.BreachCount)
			})
			r.say(line)
		}
	}
}

func (r *runner) say(line string) {
	if r.o.Progress != nil {
		_, _ = fmt.Fprintln(r.o.Progress, line)
	}
}

// epoch returns the number of an epoch, counted from 1. A new epoch voids
// everything seen before.
func (r *runner) epoch(name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, known := range r.epochs {
		if known == name {
			return i + 1
		}
	}
	r.epochs, r.seen = append(r.epochs, name), append(r.seen, time.Now())
	if len(r.epochs) > 1 {
		r.observed.forget()
		r.floors.forget()
	}
	return len(r.epochs)
}

// epochNow returns the number of the newest epoch that a client saw.
func (r *runner) epochNow() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.epochs)
}

// epochSeen returns when an epoch was first seen, or zero.
func (r *runner) epochSeen(epoch int) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if epoch < 1 || epoch > len(r.seen) {
		return time.Time{}
	}
	return r.seen[epoch-1]
}

// isCurrent reports whether an epoch is the newest one that a client saw.
func (r *runner) isCurrent(epoch int) bool { return epoch == r.epochNow() }

// lockedRand is a random source for concurrent use.
type lockedRand struct {
	mu  sync.Mutex
	rng *rand.Rand
}

// IntN returns a random number in [0, n).
func (d *lockedRand) IntN(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.IntN(n)
}

// Int64N returns a random number in [0, n).
func (d *lockedRand) Int64N(n int64) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.Int64N(n)
}

// ExpFloat64 returns an exponentially distributed number with mean 1.
func (d *lockedRand) ExpFloat64() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.ExpFloat64()
}
