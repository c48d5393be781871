package dataload

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"im/domain"
	"im/store/postgres/internal/pg"
)

const (
	// usualInFlight is how many queries of a Loader run at once as long as they are
	// fast. With more, each would carry fewer keys.
	usualInFlight = 2
	// slowAfter is how long a call waits for a batch before it may start one query
	// more, whatever delays those in flight.
	slowAfter = 100 * time.Millisecond
	// loadTimeout bounds the wait for a batch: it is as long as pg.DB.Read takes.
	loadTimeout = pg.Attempts * pg.AttemptTimeout
)

// Loader batches concurrent lookups. With fewer than usualInFlight queries running, a
// lookup runs alone at once; otherwise it joins the next batch, which starts when a
// query ends. It is safe for concurrent use.
type Loader[K, V any] struct {
	query       func(ctx context.Context, keys []K) ([]V, error)
	maxKeys     int
	maxInFlight int

	running  sync.WaitGroup
	mu       sync.Mutex
	waiting  []*call[K, V] // in no batch yet
	inFlight int           // queries
}

// call is one Load that waits for a batch.
type call[K, V any] struct {
	key   K
	batch *batch[K, V]  // nil while the call is in waiting
	done  chan struct{} // closed when value and err are set
	value V
	err   error
}

// batch is the calls that share one query.
type batch[K, V any] struct {
	calls  []*call[K, V]
	wanted int // calls that still wait; the query is canceled at 0
	cancel context.CancelFunc
}

// New returns a Loader. query must return one value for each key, in the order of the
// keys; it gets maxKeys keys at most. maxInFlight bounds the queries in flight while
// some of them are slow.
func New[K, V any](maxKeys, maxInFlight int, query func(context.Context, []K) ([]V, error)) *Loader[K, V] {
	return &Loader[K, V]{query: query, maxKeys: maxKeys, maxInFlight: max(usualInFlight, maxInFlight)}
}

// Load returns the value of key. All calls of a batch get the error of its query. A
// call whose ctx ends, or that waits for too long, returns domain.ErrUnavailable and
// leaves the other calls of its batch alone.
func (l *Loader[K, V]) Load(ctx context.Context, key K) (V, error) {
	if err := ctx.Err(); err != nil {
		return *new(V), pg.Translate(err)
	}
	if l.acquire() {
		defer l.release()
		values, err := l.run(ctx, []K{key})
		if err != nil {
			return *new(V), err
		}
		return values[0], nil
	}
	return l.join(ctx, key)
}

// Wait returns when no query is in flight. Load must not be called concurrently.
func (l *Loader[K, V]) Wait() { l.running.Wait() }

// acquire reports whether a query may start at once. The caller must release it.
func (l *Loader[K, V]) acquire() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inFlight >= usualInFlight {
		return false
	}
	l.inFlight++
	return true
}

// release ends a query, and lets the calls that arrived during it go on.
func (l *Loader[K, V]) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	if len(l.waiting) > 0 {
		l.start()
	}
}

// join waits for the result of a batch.
func (l *Loader[K, V]) join(ctx context.Context, key K) (V, error) {
	c := &call[K, V]{key: key, done: make(chan struct{})}
	l.enqueue(c)
	timer := time.NewTimer(slowAfter)
	defer timer.Stop()
	for slow := false; ; slow = true {
		select {
		case <-c.done:
			return c.value, c.err
		case <-ctx.Done():
			l.leave(c)
			return *new(V), pg.Translate(ctx.Err())
		case <-timer.C:
		}
		if slow {
			l.leave(c)
			return *new(V), pg.Translate(context.DeadlineExceeded)
		}
		l.startExtra(c)
		timer.Reset(loadTimeout - slowAfter)
	}
}

func (l *Loader[K, V]) enqueue(c *call[K, V]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, c)
	if l.inFlight < usualInFlight { // a query has ended since acquire
		l.start()
	}
}

// startExtra starts one query more for a call that is still in no batch.
func (l *Loader[K, V]) startExtra(c *call[K, V]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.batch == nil && l.inFlight < l.maxInFlight {
		l.start()
	}
}

// leave removes a call whose caller waits no longer.
func (l *Loader[K, V]) leave(c *call[K, V]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.batch == nil {
		if i := slices.Index(l.waiting, c); i >= 0 {
			l.waiting = slices.Delete(l.waiting, i, i+1)
		}
		return
	}
	if c.batch.wanted--; c.batch.wanted == 0 {
		c.batch.cancel()
	}
}

// start runs batches in a new goroutine until no call waits. mu must be held.
func (l *Loader[K, V]) start() {
	l.inFlight++
	l.running.Go(func() {
		for l.runNext() {
		}
	})
}

// runNext runs the next batch. If no call waits, it returns false, and one query less
// is in flight.
func (l *Loader[K, V]) runNext() bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b := l.next(cancel)
	if b == nil {
		return false
	}
	keys := make([]K, len(b.calls))
	for i, c := range b.calls {
		keys[i] = c.key
	}
	values, err := l.run(ctx, keys)
	for i, c := range b.calls {
		if c.err = err; err == nil {
			c.value = values[i]
		}
		close(c.done)
	}
	return true
}

// next takes a batch of the calls that wait, nil if there are none.
func (l *Loader[K, V]) next(cancel context.CancelFunc) *batch[K, V] {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.waiting), l.maxKeys)
	if n == 0 {
		l.inFlight--
		return nil
	}
	b := &batch[K, V]{calls: slices.Clone(l.waiting[:n]), wanted: n, cancel: cancel}
	l.waiting = slices.Delete(l.waiting, 0, n)
	for _, c := range b.calls {
		c.batch = b
	}
	return b
}

func (l *Loader[K, V]) run(ctx context.Context, keys []K) ([]V, error) {
	values, err := l.query(ctx, keys)
	if err == nil && len(values) != len(keys) {
		err = domain.ErrInternal.WithCause(fmt.Errorf("%d values for %d keys", len(values), len(keys)))
	}
	return values, err
}
