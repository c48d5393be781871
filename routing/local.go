package routing

import (
	"context"
	"sync"
	"sync/atomic"

	"im/domain"
	"im/routing/internal/queue"
	"im/routing/internal/quietlog"
)

// Hub holds the sessions of this node. Its methods are called from several goroutines
// and should return soon: while one of them blocks, queues fill up.
type Hub interface {
	// Push delivers what some node committed to a conversation. The commits of each
	// node come in order, but they may be incomplete, and come more than once.
	Push(domain.Committed)
	// TryPush is Push if that need not wait for a lock. It reports whether it was.
	TryPush(domain.Committed) bool
	// Signal delivers a signal to the sessions of this node that it is for, if any.
	Signal(domain.Signal)
	// Sessions lists the sessions that should be in the registry. A session for
	// which Unregister was called is no longer among them.
	Sessions() []domain.SessionEntry
}

// localDelivery is the way of this node's own commits and signals to its hub. Each of
// the two kinds has one bounded queue and one goroutine, which keeps the order of the
// calls. A committer never waits for the hub.
//
// A commit for few members is delivered by the committer itself if it has none before it:
// waking a goroutine would cost more. It overtakes no commit of its conversation, because
// only one committer at a time has commits of one, and those that it queued before count
// as waiting until they are delivered.
type localDelivery struct {
	hub     Hub
	waiting atomic.Int64 // commits that are queued or being delivered by the goroutine
	commits *queue.Queue[domain.Committed]
	signals *queue.Queue[domain.Signal]
	recover recoverer
}

func newLocalDelivery(hub Hub, r recoverer) *localDelivery {
	return &localDelivery{
		hub:     hub,
		commits: queue.New[domain.Committed](commitBytes),
		signals: queue.New[domain.Signal](signalBytes),
		recover: r,
	}
}

// run delivers until ctx ends. What waits then is left to the tail of the log.
func (l *localDelivery) run(ctx context.Context) {
	var deliveries sync.WaitGroup
	deliveries.Go(func() {
		deliverAll(ctx, l.commits, l.recover, func(c domain.Committed) {
			defer l.waiting.Add(-1)
			l.hub.Push(c)
		})
	})
	deliveries.Go(func() { deliverAll(ctx, l.signals, l.recover, l.hub.Signal) })
	deliveries.Wait()
}

// push delivers a commit, or queues it for the goroutine. It reports false if the queue
// is full.
func (l *localDelivery) push(c domain.Committed) bool {
	if l.waiting.Load() == 0 && l.deliver(c) {
		return true
	}
	l.waiting.Add(1)
	if l.commits.Put(c, commitSize(&c)) {
		return true
	}
	l.waiting.Add(-1)
	return false
}

// deliver delivers a commit to few members, if that need not wait. After a panic the
// commit counts as delivered: it is left to the tail, as that of the goroutine is.
func (l *localDelivery) deliver(c domain.Committed) (done bool) {
	if c.Audience == nil || len(c.Audience) > fewUsers || len(c.Events) > fewUsers {
		return false
	}
	done = true
	l.recover.run("local delivery", func() { done = l.hub.TryPush(c) })
	return done
}

func deliverAll[T any](ctx context.Context, from *queue.Queue[T], r recoverer, deliver func(T)) {
	for batch := range from.Batches(ctx, batchBytes) {
		for i := range batch {
			r.run("local delivery", func() { deliver(batch[i]) })
		}
	}
}

// recoverer survives panics.
type recoverer struct {
	count *metrics
	log   quietlog.Log
}

// run calls do. It counts and logs a panic.
func (r recoverer) run(name string, do func()) {
	defer func() {
		if cause := recover(); cause != nil {
			r.count.panics.Inc()
			r.log.Warn("panic in a handler, its message is left to the tail of the log", "handler", name, "cause", cause)
		}
	}()
	do()
}
