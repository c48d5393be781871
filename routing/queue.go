package routing

import (
	"context"
	"sync"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
)

// queue is a first-in-first-out queue bounded in bytes. Putting never blocks.
type queue[T any] struct {
	limit int
	ready chan struct{} // holds a token while there may be items

	mu    sync.Mutex
	items []sized[T]
	bytes int
}

type sized[T any] struct {
	item T
	size int
}

func newQueue[T any](limit int) *queue[T] {
	return &queue[T]{limit: limit, ready: make(chan struct{}, 1)}
}

// put appends an item, unless the queue holds limit bytes already.
func (q *queue[T]) put(item T, size int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bytes >= q.limit {
		return false
	}
	q.items = append(q.items, sized[T]{item, size})
	q.bytes += size
	select {
	case q.ready <- struct{}{}:
	default:
	}
	return true
}

// take waits for an item, and returns what is there up to about limit bytes; nil
// when ctx ends first.
func (q *queue[T]) take(ctx context.Context, limit int) []T {
	for {
		select {
		case <-q.ready:
		case <-ctx.Done():
			return nil
		}
		if taken := q.poll(limit); len(taken) > 0 {
			return taken
		}
	}
}

func (q *queue[T]) poll(limit int) []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, bytes := 0, 0
	for n < len(q.items) && (n == 0 || bytes+q.items[n].size <= limit) {
		bytes += q.items[n].size
		n++
	}
	taken := make([]T, n)
	for i := range taken {
		taken[i] = q.items[i].item
	}
	clear(q.items[:n])
	q.items = q.items[n:]
	q.bytes -= bytes
	if len(q.items) > 0 {
		select {
		case q.ready <- struct{}{}:
		default:
		}
	} else {
		q.items = nil
	}
	return taken
}

// feed is how a queue enters a Watermill router: a subscriber whose messages
// carry, in their context, what had gathered since the last one was handled.
// One message is in flight at a time, which is what keeps the order.
type feed[T any] struct {
	*queue[T]
	most int // bytes a message
}

var _ message.Subscriber = (*feed[int])(nil)

type batchKey struct{}

func newFeed[T any](limit, most int) *feed[T] { return &feed[T]{newQueue[T](limit), most} }

// Subscribe implements message.Subscriber. There is one subscription at most.
func (f *feed[T]) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	out := make(chan *message.Message)
	go func() {
		defer close(out)
		for ctx.Err() == nil {
			batch := f.take(ctx, f.most)
			if batch == nil {
				return
			}
			msg := message.NewMessage(watermill.NewShortUUID(), nil)
			msg.SetContext(context.WithValue(ctx, batchKey{}, batch))
			if !handOver(ctx, out, msg) {
				return
			}
		}
	}()
	return out, nil
}

// Close implements message.Subscriber; the end of Subscribe's context is what
// ends a feed.
func (f *feed[T]) Close() error { return nil }

// carried returns the batch of a message of a feed.
func carried[T any](msg *message.Message) []T {
	batch, _ := msg.Context().Value(batchKey{}).([]T)
	return batch
}

// handOver sends msg and waits until it was handled, well or not; false when
// ctx ended first.
func handOver(ctx context.Context, out chan<- *message.Message, msg *message.Message) bool {
	select {
	case out <- msg:
	case <-ctx.Done():
		return false
	}
	select {
	case <-msg.Acked():
	case <-msg.Nacked():
	case <-ctx.Done():
		return false
	}
	return true
}
