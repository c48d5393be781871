// Package queue provides the bounded queues between goroutines of this process.
package queue

import (
	"context"
	"iter"
	"sync"
)

// Queue is a first-in, first-out queue that is bounded in bytes. Any number of
// goroutines may Put; one goroutine takes.
type Queue[T any] struct {
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

// New returns an empty queue that refuses items once it holds limit bytes.
func New[T any](limit int) *Queue[T] {
	return &Queue[T]{limit: limit, ready: make(chan struct{}, 1)}
}

// Put appends an item of about size bytes and reports whether it did. It never
// blocks: a queue that holds limit bytes or more refuses the item.
func (q *Queue[T]) Put(item T, size int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bytes >= q.limit {
		return false
	}
	q.items = append(q.items, sized[T]{item, size})
	q.bytes += size
	q.wake()
	return true
}

// Bytes returns how many bytes wait.
func (q *Queue[T]) Bytes() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}

// Batches yields the items in order, as batches of at most about maxBytes, until
// ctx ends. A batch holds what gathered while the batch before it was handled, and at
// least one item, whatever its size.
func (q *Queue[T]) Batches(ctx context.Context, maxBytes int) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		for {
			select {
			case <-q.ready:
			case <-ctx.Done():
				return
			}
			if batch := q.poll(maxBytes); len(batch) > 0 && !yield(batch) {
				return
			}
		}
	}
}

// poll removes and returns the first items, up to about maxBytes.
func (q *Queue[T]) poll(maxBytes int) []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, bytes := 0, 0
	for n < len(q.items) && (n == 0 || bytes+q.items[n].size <= maxBytes) {
		bytes += q.items[n].size
		n++
	}
	batch := make([]T, n)
	for i := range batch {
		batch[i] = q.items[i].item
	}
	q.bytes -= bytes
	if n == len(q.items) {
		q.items = nil
		return batch
	}
	clear(q.items[:n]) // for the garbage collector
	q.items = q.items[n:]
	q.wake()
	return batch
}

// wake puts the token into ready; q.mu is held.
func (q *Queue[T]) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}
