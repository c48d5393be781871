package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"im/domain"
	"im/store/postgres"
)

// limitMetric is what others are a share of.
const limitMetric = "appended"

const limitPairs = 100

func limitCases(Options) (cases []scenario) {
	for _, inFlight := range []int{1, 64, 256, 1024, 1600} {
		cases = append(cases, scenario{
			label: fmt.Sprintf("%d in flight", inFlight),
			run:   func(ctx context.Context, r *run) ([]Metric, error) { return runLimit(ctx, r, inFlight) },
		})
	}
	return cases
}

// runLimit appends to a database of its own through the store alone.
func runLimit(ctx context.Context, r *run, inFlight int) (_ []Metric, err error) {
	own, err := openStore(ctx, r.cluster.database, "im_bench_"+r.tag)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, own.close()) }()
	a := newAppends(r, own.store)
	if err := a.converse(ctx, limitPairs); err != nil {
		return nil, err
	}
	return a.run(ctx, inFlight)
}

// appends is a closed loop on a store.
type appends struct {
	r    *run
	chat *domain.Chat
	talk []talk

	clock    clock
	from, to int64
	latency  *latency
	done     atomic.Int64 // within the measured time
	failed   atomic.Pointer[error]
}

type talk struct {
	id   domain.ConversationID
	user [2]domain.UserID
}

func newAppends(r *run, store *postgres.Store) *appends {
	return &appends{r: r, chat: domain.NewChat(store, domain.DefaultLimits()), latency: newLatency(), clock: newClock()}
}

// converse makes direct conversations to append to.
func (a *appends) converse(ctx context.Context, pairs int) error {
	a.talk = make([]talk, pairs)
	return each(ctx, pairs, func(ctx context.Context, i int) error {
		one, other := a.r.people.user("a", i), a.r.people.user("b", i)
		id, _, err := a.chat.Create(ctx, domain.Actor{User: one}, domain.Creation{Kind: domain.Direct, Members: []domain.UserID{other}})
		a.talk[i] = talk{id, [2]domain.UserID{one, other}}
		return err
	})
}

func (a *appends) run(ctx context.Context, inFlight int) ([]Metric, error) {
	a.from = a.clock.now() + int64(a.r.Warmup)
	a.to = a.from + int64(a.r.Duration)
	var lanes sync.WaitGroup
	for i := range inFlight {
		lanes.Go(func() { a.lane(ctx, i) })
	}
	defer lanes.Wait()
	if err := a.clock.sleepUntil(ctx, a.from); err != nil {
		return nil, err
	}
	before := a.r.cluster.parts.usage()
	if err := a.clock.sleepUntil(ctx, a.to); err != nil {
		return nil, err
	}
	after := a.r.cluster.parts.usage()
	lanes.Wait()
	if err := a.failed.Load(); err != nil {
		return nil, *err
	}
	delete(after, partServer) // it only looks on
	metrics := []Metric{{limitMetric, "msg/s", float64(a.done.Load()) / a.r.Duration.Seconds()}}
	metrics = append(metrics, a.latency.percentiles("ack", 50, 99)...)
	return append(metrics, after.per(before, a.done.Load(), "msg")...), nil
}

// lane posts one message after the other until the time is over.
func (a *appends) lane(ctx context.Context, lane int) {
	t := a.talk[lane%len(a.talk)]
	author := domain.Actor{User: t.user[lane/len(a.talk)%2]}
	content := json.RawMessage(`{"type":"text","text":"` + text100 + `"}`)
	answered := make(chan error, 1)
	for i := 0; ctx.Err() == nil; i++ {
		began := a.clock.now()
		if began >= a.to {
			return
		}
		post := domain.Post{ConversationID: t.id, ClientMsgID: fmt.Sprintf("%s-%d-%d", a.r.tag, lane, i), Content: content}
		a.chat.Send(ctx, author, post, func(_ domain.Sent, err error) { answered <- err })
		if err := <-answered; err != nil {
			a.failed.CompareAndSwap(nil, &err)
			return
		}
		now := a.clock.now()
		if now >= a.from && now < a.to {
			a.done.Add(1)
			a.latency.add(lane, now-began)
		}
	}
}
