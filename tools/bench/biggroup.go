package bench

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

const (
	bigMembers = 10_000
	bigOnline  = 2_000
	bigRounds  = 10 // measured in each run, after two that are not
	bigSpares  = 2
)

func bigGroupCases(o Options) []scenario {
	members, online := orDefault(o.Members, bigMembers), orDefault(o.Sockets, bigOnline)
	online = min(online, members)
	return []scenario{{
		label: fmt.Sprintf("%d members, %d online on two nodes", members, online), nodes: 2,
		run: func(ctx context.Context, r *run) ([]Metric, error) { return runBigGroup(ctx, r, members, online) },
	}}
}

// runBigGroup measures how long one message takes to the last who is online.
func runBigGroup(ctx context.Context, r *run, members, online int) ([]Metric, error) {
	users := r.people.users("m", members)
	id, err := r.people.group(ctx, users)
	if err != nil {
		return nil, err
	}
	socks := make([]*socket, online)
	defer closeAll(socks)
	if err := each(ctx, online, func(ctx context.Context, i int) (err error) {
		socks[i], err = r.people.connect(ctx, users[i], i)
		return err
	}); err != nil {
		return nil, err
	}
	t := &toAll{
		tag: r.tag, clock: newClock(), socks: socks, message: newPosting(r.tag, id, text100),
		last: newLatency(), each: newLatency(), all: make(chan struct{}, 1),
	}
	if err := t.run(ctx); err != nil {
		return nil, err
	}
	return append(t.last.percentiles("last", 50, 100), t.each.percentiles("each", 50, 99)...), nil
}

// toAll sends one message at a time to many sockets.
type toAll struct {
	tag        string
	clock      clock
	socks      []*socket
	message    *posting
	last, each *latency

	counts   atomic.Bool   // this round is measured
	lacking  atomic.Int64  // sockets that lack the message of this round
	all      chan struct{} // has an element when none does
	finished atomic.Bool
}

func (t *toAll) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for i, sock := range t.socks {
		g.Go(func() error { return t.listen(i, sock) })
	}
	g.Go(func() error {
		defer func() { t.finished.Store(true); closeAll(t.socks) }()
		for round := range bigSpares + bigRounds {
			if err := t.once(ctx, round >= bigSpares); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// once sends a message and waits until everybody has it.
func (t *toAll) once(ctx context.Context, counts bool) error {
	t.counts.Store(counts)
	t.lacking.Store(int64(len(t.socks)))
	began := t.clock.now()
	t.socks[0].queue(t.message, began)
	if err := t.socks[0].flush(); err != nil {
		return err
	}
	select {
	case <-t.all:
	case <-ctx.Done():
		return ctx.Err()
	}
	if counts {
		t.last.add(0, t.clock.now()-began)
	}
	return nil
}

func (t *toAll) listen(i int, sock *socket) error {
	for {
		payload, err := sock.read()
		if err != nil {
			if t.finished.Load() {
				return nil
			}
			return err
		}
		due, ok := stampOf(valueOf(payload, `"client_msg_id":"`), t.tag)
		if !ok || string(kindOf(payload)) != "event" {
			continue
		}
		if t.counts.Load() {
			t.each.add(i, t.clock.now()-due)
		}
		if t.lacking.Add(-1) == 0 {
			t.all <- struct{}{}
		}
	}
}
