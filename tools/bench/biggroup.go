package bench

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

const (
	bigMembers      = 10_000
	bigOnline       = 2_000
	bigRounds       = 10 // measured messages of each run
	bigWarmupRounds = 2  // messages before them
)

func bigGroupCases(o Options) []scenario {
	members, online := cmp.Or(o.Members, bigMembers), cmp.Or(o.Sockets, bigOnline)
	online = min(online, members)
	return []scenario{{
		label: fmt.Sprintf("%d members, %d online on two nodes", members, online), nodes: 2,
		run: func(ctx context.Context, r *run) ([]Metric, error) { return runBigGroup(ctx, r, members, online) },
	}}
}

// runBigGroup measures how long a message takes to the last online member.
func runBigGroup(ctx context.Context, r *run, members, online int) ([]Metric, error) {
	users := r.fixture.users("m", members)
	id, err := r.fixture.group(ctx, users)
	if err != nil {
		return nil, err
	}
	socks := make([]*socket, online)
	defer closeAll(socks)
	if err := each(ctx, online, func(ctx context.Context, i int) (err error) {
		socks[i], err = r.fixture.connect(ctx, users[i], i)
		return err
	}); err != nil {
		return nil, err
	}
	t := &broadcast{
		tag: r.tag, clock: newClock(), socks: socks, message: newSendFrame(r.tag, id, text100),
		last: newLatency(), each: newLatency(), all: make(chan struct{}, 1),
	}
	if err := t.run(ctx); err != nil {
		return nil, err
	}
	return append(t.last.percentiles("last", 50, 100), t.each.percentiles("each", 50, 99)...), nil
}

// broadcast sends one message at a time to many sockets.
type broadcast struct {
	tag        string
	clock      clock
	socks      []*socket
	message    *sendFrame
	last, each *latency

	measured atomic.Bool   // this round counts
	missing  atomic.Int64  // sockets that have not received the message of this round
	all      chan struct{} // receives when no socket is missing
	finished atomic.Bool
}

func (t *broadcast) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for i, sock := range t.socks {
		g.Go(func() error { return t.listen(i, sock) })
	}
	g.Go(func() error {
		defer func() { t.finished.Store(true); closeAll(t.socks) }()
		for round := range bigWarmupRounds + bigRounds {
			if err := t.once(ctx, round >= bigWarmupRounds); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// once sends a message and waits until every socket has it.
func (t *broadcast) once(ctx context.Context, counts bool) error {
	t.measured.Store(counts)
	t.missing.Store(int64(len(t.socks)))
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

// listen reads a socket until the end.
func (t *broadcast) listen(i int, sock *socket) error {
	for {
		payload, err := sock.read()
		if err != nil {
			if t.finished.Load() {
				return nil
			}
			return err
		}
		due, ok := dueOf(valueOf(payload, `"client_msg_id":"`), t.tag)
		if !ok || string(typeOf(payload)) != "event" {
			continue
		}
		if t.measured.Load() {
			t.each.add(i, t.clock.now()-due)
		}
		if t.missing.Add(-1) == 0 {
			t.all <- struct{}{}
		}
	}
}
