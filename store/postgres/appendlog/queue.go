package appendlog

import (
	"context"
	"slices"
	"sync"
	"time"

	"im/domain"
)

const (
	// backlog is how many commands wait before another committer helps: below it,
	// the next batch of the one at work is worth more than a batch of their own.
	backlog = 24
	// helpAfter is how long a command waits before another committer helps,
	// whatever the one at work is held up by.
	helpAfter = 10 * time.Millisecond
	busyFor   = 100 * time.Millisecond // after the last append, a node counts as one that appends
)

// queue is what waits for the committers, in order. The bytes of an entry count
// until it is answered. A conversation belongs to one committer as long as that
// has commands of it, so that they stay in order.
type queue struct {
	wake []chan struct{} // of each committer: has an element when it should look

	mu      sync.Mutex
	waiting []*entry
	owners  map[domain.ConversationID]int
	owned   [][]domain.ConversationID // by each committer
	working []bool
	rested  time.Time // when a committer was done last
	paces   []pace    // of each committer
	size    int
	limit   int
	closed  bool
}

func newQueue(limit, committers int) *queue {
	q := &queue{
		limit: limit, owners: map[domain.ConversationID]int{},
		owned: make([][]domain.ConversationID, committers), working: make([]bool, committers), paces: make([]pace, committers),
	}
	for range committers {
		q.wake = append(q.wake, make(chan struct{}, 1))
	}
	return q
}

func (q *queue) put(e *entry) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return domain.ErrUnavailable
	}
	if q.size+e.size > q.limit {
		return domain.ErrUnavailable.WithRetryAfter(fullDelay)
	}
	if wait := takes(q.paces, q.size, time.Now()); wait > longestWait {
		return busy(wait)
	}
	q.size += e.size
	q.waiting = append(q.waiting, e)
	if owner, owned := q.owners[e.target]; owned {
		q.signal(owner)
		return nil
	}
	if idle := q.idle(); idle >= 0 && (len(q.waiting) == 1 || q.welcome(idle, time.Now())) {
		q.signal(idle)
	}
	return nil
}

// take moves up to n entries that committer c may have to the end of dst, and
// makes their conversations its own.
func (q *queue) take(c int, dst []*entry, n int) []*entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	welcome := q.welcome(c, time.Now())
	if len(q.waiting) > 2*backlog {
		n = min(n, (len(q.waiting)+len(q.wake)-1)/len(q.wake)) // a part for each, so that one decides while another writes
	}
	kept := q.waiting[:0]
	for i, e := range q.waiting {
		if n == 0 {
			kept = append(kept, q.waiting[i:]...)
			break
		}
		owner, owned := q.owners[e.target]
		if owned && owner != c || !owned && !welcome {
			kept = append(kept, e)
			continue
		}
		if !owned {
			q.own(c, e.target)
		}
		dst = append(dst, e)
		n--
	}
	clear(q.waiting[len(kept):])
	q.waiting = kept
	q.working[c] = len(dst) > 0
	return dst
}

// keep says what committer c still has after its work: entries, and perhaps a
// batch whose fate it does not know. Other conversations are anybody's again.
func (q *queue) keep(c int, held []*entry, lost *batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, id := range q.owned[c] {
		delete(q.owners, id)
	}
	q.owned[c] = q.owned[c][:0]
	for _, e := range held {
		q.own(c, e.target)
	}
	if lost != nil {
		for _, w := range lost.works {
			q.own(c, w.id)
		}
	}
	q.working[c], q.rested = false, time.Now()
	if q.closed {
		q.signalAll() // somebody may wait for the last to be taken
	}
}

// await returns when committer c should look again: when it is told, and soon if
// something waits for which it was not welcome.
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

// busy tells whether a committer is at work, or was a moment ago.
func (q *queue) busy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Contains(q.working, true) || time.Since(q.rested) < busyFor
}

// overdue moves those whose time is up to the end of dst.
func (q *queue) overdue(dst []*entry, now time.Time) []*entry {
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

// full notes what committer c wrote, or could not, in a batch beside which more waited.
func (q *queue) full(c, size int, took time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.paces[c].full(size, took, time.Now())
}

// late is what those hear for whom there was no time.
func (q *queue) late() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if wait := takes(q.paces, q.size, time.Now()); wait > 0 {
		return busy(wait)
	}
	return domain.ErrUnavailable
}

func (q *queue) release(size int) {
	q.mu.Lock()
	q.size -= size
	q.mu.Unlock()
}

// close refuses all that comes from now on.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signalAll()
}

// drained tells whether nothing is there and nothing will come.
func (q *queue) drained() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed && len(q.waiting) == 0
}

// surrender moves all entries that are left to the end of dst.
func (q *queue) surrender(dst []*entry) []*entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	dst = append(dst, q.waiting...)
	q.waiting = nil
	return dst
}

// The rest is called with mu held.

func (q *queue) own(c int, id domain.ConversationID) {
	if _, owned := q.owners[id]; !owned {
		q.owners[id] = c
		q.owned[c] = append(q.owned[c], id)
	}
}

// welcome tells whether committer c should take what belongs to nobody: if no
// other is at work, or if that one cannot keep up.
func (q *queue) welcome(c int, now time.Time) bool {
	if len(q.waiting) > backlog || len(q.waiting) > 0 && now.Sub(q.waiting[0].due) > helpAfter-patience {
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
