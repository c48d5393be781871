package coalesce

import (
	"context"
	"sync"
	"time"
)

// Options configure a Buffer. Every and Flush are required.
type Options[K comparable, V any] struct {
	// Every is the interval between flushes by Run. Flushes are aligned to
	// multiples of it since the start of Run, so a value waits at most Every.
	Every time.Duration
	// Retry is the minimum pause of Run after a failed flush; 0 means Every.
	Retry time.Duration
	// Timeout bounds one call of Flush, the last one included; 0 is no limit.
	Timeout time.Duration

	// Max is the number of keys that may wait; 0 is no limit.
	Max int
	// Retain bounds the keys that wait after a failed batch is put back; further keys
	// of the batch are dropped. With 0 the whole batch is dropped.
	Retain int

	// Merge combines two values of one key; added is the later one. If nil, the
	// later value replaces the earlier one. It is called with the buffer locked
	// and may modify and return waiting.
	Merge func(waiting, added V) V
	// Flush writes a batch, which it may modify. After an error the keys that are
	// left in the batch are put back, so it may delete those that it has written.
	// It should log its error, because Run only retries.
	Flush func(ctx context.Context, batch map[K]V) error
}

// Buffer merges values per key until they are flushed. All methods may be
// called concurrently.
type Buffer[K comparable, V any] struct {
	o Options[K, V]

	filled   chan struct{} // signals Run that the buffer is no longer empty
	flushing chan struct{} // holds one element during a flush

	mu      sync.Mutex
	pending map[K]V
	since   time.Time // when the oldest of pending was added; valid if there is one
}

// New returns an empty buffer. Without Run it flushes only when asked to.
func New[K comparable, V any](o Options[K, V]) *Buffer[K, V] {
	if o.Retry == 0 {
		o.Retry = o.Every
	}
	if o.Merge == nil {
		o.Merge = func(_, added V) V { return added }
	}
	return &Buffer[K, V]{o: o, filled: make(chan struct{}, 1), flushing: make(chan struct{}, 1), pending: make(map[K]V)}
}

// Add merges value into what waits for key. If the key is new and Max keys wait
// already, it drops the value and returns false.
func (b *Buffer[K, V]) Add(key K, value V) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, waits := b.pending[key]; !waits && b.o.Max > 0 && len(b.pending) >= b.o.Max {
		return false
	}
	b.merge(key, value)
	return true
}

// Update replaces what waits for key, or the zero value, by the result of
// change. Max does not apply: change enforces the caller's own bound. It is
// called with the buffer locked.
func (b *Buffer[K, V]) Update(key K, change func(waiting V) V) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set(key, change(b.pending[key]))
}

// Len returns the number of keys that wait.
func (b *Buffer[K, V]) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.pending)
}

// Age returns for how long values have waited: 0 if none waits. After a failed flush it
// counts from the first try.
func (b *Buffer[K, V]) Age() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.pending) == 0 {
		return 0
	}
	return time.Since(b.since)
}

// Flush waits for a flush that is running and then writes everything that
// waits. When it returns nil, all values added before the call were written or
// dropped. If ctx ends first, it returns ctx.Err() and the values go on waiting.
func (b *Buffer[K, V]) Flush(ctx context.Context) error {
	if err := b.begin(ctx); err != nil {
		return err
	}
	defer b.end()
	b.mu.Lock()
	batch, since := b.pending, b.since
	b.pending = make(map[K]V)
	b.mu.Unlock()
	return b.write(ctx, batch, since)
}

// FlushKey is Flush for one key.
func (b *Buffer[K, V]) FlushKey(ctx context.Context, key K) error {
	if err := b.begin(ctx); err != nil {
		return err
	}
	defer b.end()
	b.mu.Lock()
	value, waits := b.pending[key]
	delete(b.pending, key)
	since := b.since
	b.mu.Unlock()
	if !waits {
		return nil
	}
	return b.write(ctx, map[K]V{key: value}, since)
}

// begin waits for its turn to flush, at most until ctx ends. Flushes do not overlap.
func (b *Buffer[K, V]) begin(ctx context.Context) error {
	select {
	case b.flushing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *Buffer[K, V]) end() { <-b.flushing }

func (b *Buffer[K, V]) write(ctx context.Context, batch map[K]V, since time.Time) error {
	if len(batch) == 0 {
		return nil
	}
	if b.o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.o.Timeout)
		defer cancel()
	}
	err := b.o.Flush(ctx, batch)
	if err != nil {
		b.putBack(batch, since)
	}
	return err
}

// putBack keeps a failed batch. Values added since then are later than those of
// the batch, so they are merged on top.
func (b *Buffer[K, V]) putBack(batch map[K]V, since time.Time) {
	if b.o.Retain == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, failed := range batch {
		added, waits := b.pending[key]
		switch {
		case waits:
			b.set(key, b.o.Merge(failed, added))
		case len(b.pending) < b.o.Retain:
			b.set(key, failed)
		}
	}
	b.since = since
}

// merge requires b.mu.
func (b *Buffer[K, V]) merge(key K, value V) {
	if waiting, waits := b.pending[key]; waits {
		value = b.o.Merge(waiting, value)
	}
	b.set(key, value)
}

// set requires b.mu.
func (b *Buffer[K, V]) set(key K, value V) {
	if len(b.pending) == 0 {
		b.since = time.Now()
		select {
		case b.filled <- struct{}{}:
		default:
		}
	}
	b.pending[key] = value
}

// Run flushes until ctx ends, then once more with a context that is not
// canceled but bounded by Timeout. It returns nil. Call it at most once.
func (b *Buffer[K, V]) Run(ctx context.Context) error {
	began := time.Now()
	var earliest time.Time // of the next flush, after a failed one
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for {
		select {
		case <-b.filled:
			tick := b.o.Every - time.Since(began)%b.o.Every
			timer.Reset(max(tick, time.Until(earliest)))
		case <-timer.C:
			if b.Flush(ctx) != nil {
				earliest = time.Now().Add(b.o.Retry)
			}
		case <-ctx.Done():
			_ = b.Flush(context.WithoutCancel(ctx)) // Flush has logged it
			return nil
		}
	}
}
