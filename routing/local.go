package routing

import (
	"context"
	"sync"

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
	// Signal delivers a signal to the sessions of this node that it is for, if any.
	Signal(domain.Signal)
	// Sessions lists the sessions that should be in the registry. A session for
	// which Unregister was called is no longer among them.
	Sessions() []domain.SessionEntry
}

// localDelivery is the way of this node's own commits and signals to its hub. Each of
// the two kinds has one bounded queue and one goroutine, which keeps the order of the
// calls. A committer never waits for the hub.
type localDelivery struct {
	hub     Hub
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
	deliveries.Go(func() { deliverAll(ctx, l.commits, l.recover, l.hub.Push) })
	deliveries.Go(func() { deliverAll(ctx, l.signals, l.recover, l.hub.Signal) })
	deliveries.Wait()
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
	count *counters
	log   quietlog.Log
}

// run calls do. It counts and logs a panic.
func (r recoverer) run(name string, do func()) {
	defer func() {
		if cause := recover(); cause != nil {
			r.count.panics.Add(1)
			r.log.Warn("panic in a handler, its message is left to the tail of the log", "handler", name, "cause", cause)
		}
	}()
	do()
}
