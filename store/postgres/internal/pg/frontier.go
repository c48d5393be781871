package pg

import (
	"context"
	"sync"
)

// frontierSQL asks the primary for the end of what it has committed. A commit is in the
// WAL and flushed before its caller is told of it, so every commit that anybody knows of
// is below this position.
const frontierSQL = `SELECT pg_current_wal_flush_lsn()::text, epoch FROM epoch`

// position is a place in the WAL of the primary, and the epoch of its log. A position of
// one epoch says nothing about a server that has another.
type position struct{ lsn, epoch string }

// frontier asks the primary how far a replica must be. Callers at the same time share a
// question, so that a primary with many readers gets few of them.
//
// A question that runs may have its answer from before a caller came. So the caller waits
// for the next one:
//
//	running  next  a caller          the question that runs ends
//	no       no    starts running    –
//	yes      no    adds next         running: no
//	yes      yes   waits for next    next becomes running
type frontier struct {
	ask func(context.Context) (position, error)

	mu            sync.Mutex
	running, next *question
}

type question struct {
	answered chan struct{}
	position position
	err      error
}

// get returns a position that includes every commit that ended before the call.
func (f *frontier) get(ctx context.Context) (position, error) {
	q := f.join()
	select {
	case <-q.answered:
		return q.position, q.err
	case <-ctx.Done():
		return position{}, ctx.Err()
	}
}

// join returns a question that begins after the call.
func (f *frontier) join() *question {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next != nil {
		return f.next
	}
	q := &question{answered: make(chan struct{})}
	if f.running == nil {
		f.running = q
		go f.run()
	} else {
		f.next = q
	}
	return q
}

// run asks the questions, one after another, until none waits.
func (f *frontier) run() {
	for {
		f.mu.Lock()
		q := f.running
		f.mu.Unlock()
		if q == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), replicaCheckTimeout)
		q.position, q.err = f.ask(ctx)
		cancel()
		f.mu.Lock()
		f.running, f.next = f.next, nil
		f.mu.Unlock()
		close(q.answered)
	}
}
