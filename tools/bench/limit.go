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

// limitMetric is the metric of limit that others are a share of.
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

// runLimit appends through the store alone, to a database of its own.
func runLimit(ctx context.Context, r *run, inFlight int) (_ []Metric, err error) {
	temp, err := openTempStore(ctx, r.cluster.database, "im_bench_"+r.tag)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, temp.close()) }()
	a := newAppends(r, temp.store)
	if err := a.createConversations(ctx, limitPairs); err != nil {
		return nil, err
	}
	return a.run(ctx, inFlight)
}

// appends is a closed loop on a store.
type appends struct {
	r             *run
	chat          *domain.Chat
	conversations []conversation

	clock    clock
	from, to int64
	latency  *latency
	done     atomic.Int64 // appends within the measured time
	failed   atomic.Pointer[error]
}

// conversation is a direct conversation of two users.
type conversation struct {
	id    domain.ConversationID
	users [2]domain.UserID
}

func newAppends(r *run, store *postgres.Store) *appends {
	return &appends{r: r, chat: domain.NewChat(store, domain.DefaultLimits()), latency: newLatency(), clock: newClock()}
}

// createConversations creates direct conversations to append to.
func (a *appends) createConversations(ctx context.Context, pairs int) error {
	a.conversations = make([]conversation, pairs)
	return each(ctx, pairs, func(ctx context.Context, i int) error {
		one, other := a.r.fixture.user("a", i), a.r.fixture.user("b", i)
		id, _, err := a.chat.Create(ctx, domain.Actor{User: one}, domain.Creation{Kind: domain.Direct, Members: []domain.UserID{other}})
		a.conversations[i] = conversation{id, [2]domain.UserID{one, other}}
		return err
	})
}

// run keeps appends in flight and returns the metrics of the measured time.
func (a *appends) run(ctx context.Context, inFlight int) ([]Metric, error) {
	a.from = a.clock.now() + int64(a.r.Warmup)
	a.to = a.from + int64(a.r.Duration)
	var workers sync.WaitGroup
	for i := range inFlight {
		workers.Go(func() { a.worker(ctx, i) })
	}
	defer workers.Wait()
	if err := a.clock.sleepUntil(ctx, a.from); err != nil {
		return nil, err
	}
	before := a.r.cluster.parts.usage()
	if err := a.clock.sleepUntil(ctx, a.to); err != nil {
		return nil, err
	}
	after := a.r.cluster.parts.usage()
	workers.Wait()
	if err := a.failed.Load(); err != nil {
		return nil, *err
	}
	delete(after, partServer) // the node is idle here
	metrics := []Metric{{limitMetric, "msg/s", float64(a.done.Load()) / a.r.Duration.Seconds()}}
	metrics = append(metrics, a.latency.percentiles("ack", 50, 99)...)
	return append(metrics, after.per(before, a.done.Load(), "msg")...), nil
}

// worker posts one message after another until the time is over.
func (a *appends) worker(ctx context.Context, number int) {
	c := a.conversations[number%len(a.conversations)]
	author := domain.Actor{User: c.users[number/len(a.conversations)%2]}
	content := json.RawMessage(`{"type":"text","text":"` + text100 + `"}`)
	answered := make(chan error, 1)
	for i := 0; ctx.Err() == nil; i++ {
		began := a.clock.now()
		if began >= a.to {
			return
		}
		post := domain.Post{ConversationID: c.id, ClientMsgID: fmt.Sprintf("%s-%d-%d", a.r.tag, number, i), Content: content}
		a.chat.Send(ctx, author, post, func(_ domain.Sent, err error) { answered <- err })
		if err := <-answered; err != nil {
			a.failed.CompareAndSwap(nil, &err)
			return
		}
		now := a.clock.now()
		if now >= a.from && now < a.to {
			a.done.Add(1)
			a.latency.add(number, now-began)
		}
	}
}
