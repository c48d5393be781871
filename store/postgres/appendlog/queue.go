package appendlog

import (
	"context"
	"slices"
	"sync"
	"time"

	"im/domain"
)

const (
	// helpBacklog is how many commands wait before a second committer joins in. With
	// fewer, they gain more from one larger batch than from a batch of their own.
	helpBacklog = 24
	// helpAfter is how long a command waits before a second committer joins in,
	// whatever delays the first.
	helpAfter = 10 * time.Millisecond
	// busyFor is how long after its last append a node counts as appending.
	busyFor = 100 * time.Millisecond
)

// queue holds the requests that wait for a committer, in the order of submission. The
// bytes of a request count until it is answered. A committer owns a conversation while
// it holds requests of it, which keeps them in order.
type queue struct {
	wake []chan struct{} // of each committer: has an element when it should look

	mu          sync.Mutex
	waiting     []*request
	owners      map[domain.ConversationID]int // committer by conversation
	owned       [][]domain.ConversationID     // by each committer
	working     []bool                        // by committer: it holds requests
	rested      time.Time                     // when a committer finished last
	throughputs []throughput                  // of each committer
	size        int                           // bytes of all requests not answered yet
	limit       int
	closed      bool
}

func newQueue(limit, committers int) *queue {
	q := &queue{
		limit: limit, owners: map[domain.ConversationID]int{},
		owned: make([][]domain.ConversationID, committers), working: make([]bool, committers), throughputs: make([]throughput, committers),
	}
	for range committers {
		q.wake = append(q.wake, make(chan struct{}, 1))
	}
	return q
}

// put adds a request, or fails with domain.ErrUnavailable if the queue is closed, full,
// or takes too long to drain.
func (q *queue) put(r *request) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return domain.ErrUnavailable
	}
	if q.size+r.size > q.limit {
		return domain.ErrUnavailable.WithRetryAfter(fullRetryAfter)
	}
	if wait := drainTime(q.throughputs, q.size, time.Now()); wait > maxQueueTime {
		return overloaded(wait)
	}
	q.size += r.size
	q.waiting = append(q.waiting, r)
	if owner, owned := q.owners[r.target]; owned {
		q.signal(owner)
		return nil
	}
	if idle := q.idle(); idle >= 0 && (len(q.waiting) == 1 || q.mayJoin(idle, time.Now())) {
		q.signal(idle)
	}
	return nil
}

// take moves up to n requests that committer c may hold to the end of dst, and makes
// it the owner of their conversations.
func (q *queue) take(c int, dst []*request, n int) []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	mayTake := q.mayJoin(c, time.Now())
	if len(q.waiting) > 2*helpBacklog {
		n = min(n, (len(q.waiting)+len(q.wake)-1)/len(q.wake)) // a share for each, so that one decides while another writes
	}
	kept := q.waiting[:0]
	for i, r := range q.waiting {
		if n == 0 {
			kept = append(kept, q.waiting[i:]...)
			break
		}
		owner, owned := q.owners[r.target]
		if owned && owner != c || !owned && !mayTake {
			kept = append(kept, r)
			continue
		}
		if !owned {
			q.own(c, r.target)
		}
		dst = append(dst, r)
		n--
	}
	clear(q.waiting[len(kept):])
	q.waiting = kept
	q.working[c] = len(dst) > 0
	return dst
}

// release ends a turn of committer c. It stays the owner of the conversations of the
// requests that it still holds, and of a batch whose outcome is unknown; any committer
// may own the others again.
func (q *queue) release(c int, held []*request, lost *batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, id := range q.owned[c] {
		delete(q.owners, id)
	}
	q.owned[c] = q.owned[c][:0]
	for _, r := range held {
		q.own(c, r.target)
	}
	if lost != nil {
		for _, g := range lost.groups {
			q.own(c, g.id)
		}
	}
	q.working[c], q.rested = false, time.Now()
	if q.closed {
		q.signalAll() // Run waits until the queue is drained
	}
}

// await returns when committer c should look again: when it is signaled, or after
// helpAfter if requests wait that it may not join yet.
func (q *queue) await(ctx context.Context, c int) {
	var soon <-chan time.Time
	if q.pending() {
		timer := time.NewTimer(helpAfter)
		defer timer.Stop()
		soon = timer.C
	}
	select {
	case <-q.wake[c]:
	case <-soon:
	case <-ctx.Done():
	}
}

func (q *queue) pending() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) > 0
}

// busy reports whether a committer is at work, or was within busyFor.
func (q *queue) busy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Contains(q.working, true) || time.Since(q.rested) < busyFor
}

// overdue moves the requests that are due before now to the end of dst.
func (q *queue) overdue(dst []*request, now time.Time) []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for n < len(q.waiting) && now.After(q.waiting[n].due) {
		n++
	}
	dst = append(dst, q.waiting[:n]...)
	clear(q.waiting[:n])
	q.waiting = q.waiting[n:]
	return dst
}

// observe records a batch of committer c that left requests waiting, whether it was
// written or timed out.
func (q *queue) observe(c, size int, took time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.throughputs[c].observe(size, took, time.Now())
}

// timeoutError is the error of a request that timed out. It names a delay if the
// throughput is known.
func (q *queue) timeoutError() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if wait := drainTime(q.throughputs, q.size, time.Now()); wait > 0 {
		return overloaded(wait)
	}
	return domain.ErrUnavailable
}

// free gives back the bytes of a request that is answered.
func (q *queue) free(size int) {
	q.mu.Lock()
	q.size -= size
	q.mu.Unlock()
}

// close makes put refuse every request from now on.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signalAll()
}

// drained reports whether the queue is closed and empty.
func (q *queue) drained() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed && len(q.waiting) == 0
}

// drain moves all waiting requests to the end of dst.
func (q *queue) drain(dst []*request) []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	dst = append(dst, q.waiting...)
	q.waiting = nil
	return dst
}

// The following methods are called with mu held.

func (q *queue) own(c int, id domain.ConversationID) {
	if _, owned := q.owners[id]; !owned {
		q.owners[id] = c
		q.owned[c] = append(q.owned[c], id)
	}
}

// mayJoin reports whether committer c may take requests of conversations without an
// owner: if no other committer is at work, or if the others fall behind.
func (q *queue) mayJoin(c int, now time.Time) bool {
	if len(q.waiting) > helpBacklog || len(q.waiting) > 0 && now.Sub(q.waiting[0].at) > helpAfter {
		return true
	}
	for other, working := range q.working {
		if working && other != c {
			return false
		}
	}
	return true
}

// idle returns a committer that is not at work, or -1.
func (q *queue) idle() int {
	for c, working := range q.working {
		if !working {
			return c
		}
	}
	return -1
}

func (q *queue) signal(c int) {
	select {
	case q.wake[c] <- struct{}{}:
	default:
	}
}

func (q *queue) signalAll() {
	for c := range q.wake {
		q.signal(c)
	}
}
