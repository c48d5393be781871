package coalesce

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"im/test/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var errWrite = errors.New("not written")

// recorder is a Flush that keeps the batches it was given.
type recorder struct {
	mu      sync.Mutex
	written []map[string]int
	err     error
}

func (r *recorder) flush(_ context.Context, batch map[string]int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written = append(r.written, batch)
	return r.err
}

func (r *recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

func (r *recorder) batches() []map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.written
}

func (r *recorder) options() Options[string, int] {
	return Options[string, int]{Every: time.Second, Flush: r.flush, Merge: func(a, b int) int { return max(a, b) }}
}

// run starts b.Run and returns a function that stops it and waits for its end.
func run(b *Buffer[string, int]) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = b.Run(ctx) }()
	return func() { cancel(); <-done }
}

func TestAddMergesPerKey(t *testing.T) {
	r := &recorder{}
	b := New(r.options())
	b.Add("a", 2)
	b.Add("a", 1)
	b.Add("b", 3)
	b.Update("b", func(waiting int) int { return waiting + 1 })
	require.Equal(t, 2, b.Len())
	require.NoError(t, b.Flush(t.Context()))
	require.NoError(t, b.Flush(t.Context()), "an empty buffer is not flushed")
	require.Equal(t, []map[string]int{{"a": 2, "b": 4}}, r.batches())
	require.Zero(t, b.Len())
}

func TestLaterValueReplacesWithoutMerge(t *testing.T) {
	r := &recorder{}
	o := r.options()
	o.Merge = nil
	b := New(o)
	b.Add("a", 2)
	b.Add("a", 1)
	require.NoError(t, b.Flush(t.Context()))
	require.Equal(t, []map[string]int{{"a": 1}}, r.batches())
}

func TestMaxRefusesNewKeysOnly(t *testing.T) {
	r := &recorder{}
	o := r.options()
	o.Max = 1
	b := New(o)
	require.True(t, b.Add("a", 1))
	require.False(t, b.Add("b", 1))
	require.True(t, b.Add("a", 2))
	require.NoError(t, b.Flush(t.Context()))
	require.Equal(t, []map[string]int{{"a": 2}}, r.batches())
}

func TestFlushKeyLeavesOtherKeys(t *testing.T) {
	r := &recorder{}
	b := New(r.options())
	b.Add("a", 1)
	b.Add("b", 1)
	require.NoError(t, b.FlushKey(t.Context(), "a"))
	require.NoError(t, b.FlushKey(t.Context(), "a"))
	require.Equal(t, []map[string]int{{"a": 1}}, r.batches())
	require.Equal(t, 1, b.Len())
}

func TestFailedBatch(t *testing.T) {
	for name, c := range map[string]struct {
		retain int
		want   map[string]int
	}{
		"is dropped without Retain":                {0, map[string]int{"a": 1, "c": 1}},
		"is merged below what was added since":     {10, map[string]int{"a": 5, "b": 5, "c": 1}},
		"is put back while fewer than Retain wait": {2, map[string]int{"a": 5, "c": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var b *Buffer[string, int]
			fail := true
			last := map[string]int{}
			b = New(Options[string, int]{
				Every: time.Second, Retain: c.retain, Merge: func(a, b int) int { return max(a, b) },
				Flush: func(_ context.Context, batch map[string]int) error {
					if !fail {
						last = batch
						return nil
					}
					b.Add("a", 1)
					b.Add("c", 1)
					return errWrite
				},
			})
			b.Add("a", 5)
			b.Add("b", 5)
			require.ErrorIs(t, b.Flush(t.Context()), errWrite)
			fail = false
			require.NoError(t, b.Flush(t.Context()))
			require.Equal(t, c.want, last)
		})
	}
	t.Run("keeps only what Flush left in it", func(t *testing.T) {
		b := New(Options[string, int]{
			Every: time.Second, Retain: 10,
			Flush: func(_ context.Context, batch map[string]int) error { delete(batch, "a"); return errWrite },
		})
		b.Add("a", 1)
		b.Add("b", 1)
		require.ErrorIs(t, b.Flush(t.Context()), errWrite)
		require.Equal(t, 1, b.Len())
	})
}

func TestRunFlushesAtMultiplesOfEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		b := New(r.options())
		stop := run(b)
		defer stop()
		time.Sleep(10*time.Second + 300*time.Millisecond)
		require.Empty(t, r.batches(), "an empty buffer is not flushed")
		b.Add("a", 1)
		time.Sleep(600 * time.Millisecond)
		b.Add("a", 2)
		require.Empty(t, r.batches())
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, []map[string]int{{"a": 2}}, r.batches())
	})
}

func TestRunPausesAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{err: errWrite}
		o := r.options()
		o.Every, o.Retry, o.Retain = time.Millisecond, time.Second, 10
		b := New(o)
		stop := run(b)
		defer stop()
		b.Add("a", 1)
		for range 900 {
			b.Add("b", 1)
			time.Sleep(time.Millisecond)
		}
		require.Len(t, r.batches(), 1, "not again before Retry, whatever is added")
		r.fail(nil)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, r.batches(), 2)
		require.Equal(t, map[string]int{"a": 1, "b": 1}, r.batches()[1])
	})
}

func TestRunFlushesOnceMoreAtItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		o := r.options()
		o.Timeout = time.Minute
		o.Flush = func(ctx context.Context, batch map[string]int) error {
			deadline, bounded := ctx.Deadline()
			require.True(t, bounded)
			require.WithinDuration(t, time.Now().Add(time.Minute), deadline, 0)
			require.NoError(t, ctx.Err(), "the last flush has a context of its own")
			return r.flush(ctx, batch)
		}
		b := New(o)
		stop := run(b)
		b.Add("a", 1)
		stop()
		require.Equal(t, []map[string]int{{"a": 1}}, r.batches())
	})
}

// TestFlushesDoNotOverlap: a flush that another one started before is waited for,
// so that after it everything added before is written.
func TestFlushesDoNotOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		written := 0
		b := New(Options[string, int]{Every: time.Second, Flush: func(_ context.Context, batch map[string]int) error {
			<-release
			written += len(batch)
			return nil
		}})
		b.Add("a", 1)
		go func() { _ = b.Flush(t.Context()) }()
		synctest.Wait()
		done := false
		go func() { _ = b.Flush(t.Context()); done = true }()
		synctest.Wait()
		require.False(t, done, "the buffer is empty, but its batch is not yet written")
		close(release)
		synctest.Wait()
		require.True(t, done)
		require.Equal(t, 1, written)
	})
}

// TestNothingIsLostProperty: whatever fails, with Retain the highest value of
// each key is written in the end.
func TestNothingIsLostProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		fail := false
		written, added := map[string]int{}, map[string]int{}
		b := New(Options[string, int]{
			Every: time.Second, Retain: 100, Merge: func(a, b int) int { return max(a, b) },
			Flush: func(_ context.Context, batch map[string]int) error {
				if fail {
					return errWrite
				}
				for key, value := range batch {
					written[key] = max(written[key], value)
				}
				return nil
			},
		})
		for range rapid.IntRange(0, 50).Draw(rt, "steps") {
			key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "key")
			switch rapid.SampledFrom([]string{"add", "add", "flush", "key", "fail"}).Draw(rt, "step") {
			case "add":
				value := rapid.IntRange(1, 100).Draw(rt, "value")
				b.Add(key, value)
				added[key] = max(added[key], value)
			case "flush":
				_ = b.Flush(context.Background())
			case "key":
				_ = b.FlushKey(context.Background(), key)
			case "fail":
				fail = !fail
			}
		}
		fail = false
		require.NoError(rt, b.Flush(context.Background()))
		require.Equal(rt, added, written)
	})
}
