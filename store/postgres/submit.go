package postgres

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"im/domain"
)

const (
	// patience is how long a command waits for its answer before it gets
	// domain.ErrUnavailable, whatever may have become of it.
	patience = 8 * time.Second
	// fullDelay is what is named to those who come when the queue is full.
	fullDelay = 100 * time.Millisecond
)

// entry is a command that waits for its answer.
type entry struct {
	cmd      domain.Command
	target   domain.ConversationID
	answer   func(domain.Outcome, error)
	gone     <-chan struct{} // closed when nobody wants the answer any more
	due      time.Time
	size     int
	written  bool // it has been on its way to the server: its fate is awaited
	alone    bool // it comes in a batch of its own: one of its last batch was bad
	answered bool
}

func (e *entry) forsaken() bool {
	select {
	case <-e.gone:
		return !e.written
	default:
		return false
	}
}

// Submit implements domain.Log.
func (s *Store) Submit(ctx context.Context, cmd domain.Command, done func(domain.Outcome, error)) {
	e := &entry{
		cmd: cmd, target: cmd.Target(), answer: done, gone: ctx.Done(),
		due: time.Now().Add(patience), size: cmd.Size(),
	}
	if err := s.committer(e.target).queue.put(e); err != nil {
		done(domain.Outcome{}, err)
	}
}

func (s *Store) committer(id domain.ConversationID) *committer {
	return s.committers[maphash.Bytes(s.seed, id[:])%uint64(len(s.committers))]
}

// queue is what waits for one committer, in order. The bytes of an entry count
// until it is answered.
type queue struct {
	wake chan struct{} // has an element when there may be something to do

	mu      sync.Mutex
	waiting []*entry
	size    int
	limit   int
	closed  bool
}

func newQueue(limit int) *queue { return &queue{wake: make(chan struct{}, 1), limit: limit} }

func (q *queue) put(e *entry) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return domain.ErrUnavailable
	}
	if q.size+e.size > q.limit {
		return domain.ErrUnavailable.In(fullDelay)
	}
	q.size += e.size
	q.waiting = append(q.waiting, e)
	q.signal()
	return nil
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take moves up to n entries to the end of dst.
func (q *queue) take(dst []*entry, n int) []*entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = min(n, len(q.waiting))
	dst = append(dst, q.waiting[:n]...)
	clear(q.waiting[:n])
	q.waiting = q.waiting[n:]
	if len(q.waiting) == 0 {
		q.waiting = nil
	}
	return dst
}

// overdue moves those whose time is up to the end of dst.
func (q *queue) overdue(dst []*entry, now time.Time) []*entry {
	q.mu.Lock()
	n := 0
	for n < len(q.waiting) && now.After(q.waiting[n].due) {
		n++
	}
	q.mu.Unlock()
	return q.take(dst, n) // others only ever add behind
}

func (q *queue) release(size int) {
	q.mu.Lock()
	q.size -= size
	q.mu.Unlock()
}

// close refuses all that comes from now on.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

// drained tells whether nothing is there and nothing will come.
func (q *queue) drained() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed && len(q.waiting) == 0
}
