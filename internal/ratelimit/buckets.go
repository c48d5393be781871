package ratelimit

import (
	"hash/maphash"
	"sync"
	"time"
)

// maxBuckets is how many a limit remembers at least; twice as many at most.
const maxBuckets = 50_000

// buckets is one limit: a token bucket for each key. A bucket is a single time:
// when it will be full again. One that is not there is full.
type buckets struct {
	pause time.Duration // for one to come back
	depth time.Duration // for an empty bucket to be full but for one
	seed  maphash.Seed

	mu     sync.Mutex
	now    map[uint64]time.Time // asked for lately
	before map[uint64]time.Time // asked for before these
}

// newBuckets returns nil for no limit.
func newBuckets(r Rate) *buckets {
	if r.unlimited() {
		return nil
	}
	return &buckets{
		pause: r.pause(), depth: r.pause() * time.Duration(r.Burst-1), seed: maphash.MakeSeed(),
		now: make(map[uint64]time.Time),
	}
}

// take takes one from the bucket of key. If it is empty, it takes nothing and
// returns how long it will be.
func take[K comparable](b *buckets, key K, at time.Time) (wait time.Duration) {
	if b == nil {
		return 0
	}
	hash := maphash.Comparable(b.seed, key)
	b.mu.Lock()
	defer b.mu.Unlock()
	full := b.fullAt(hash)
	if full.Before(at) {
		full = at
	}
	if wait = full.Sub(at) - b.depth; wait > 0 {
		b.remember(hash, full)
		return wait
	}
	b.remember(hash, full.Add(b.pause))
	return 0
}

// giveBack undoes a take.
func giveBack[K comparable](b *buckets, key K) {
	if b == nil {
		return
	}
	hash := maphash.Comparable(b.seed, key)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.remember(hash, b.fullAt(hash).Add(-b.pause))
}

func (b *buckets) fullAt(hash uint64) time.Time {
	full, ok := b.now[hash]
	if !ok {
		full = b.before[hash]
	}
	return full
}

func (b *buckets) remember(hash uint64, full time.Time) {
	if _, there := b.now[hash]; !there && len(b.now) >= maxBuckets {
		b.before, b.now = b.now, make(map[uint64]time.Time)
	}
	b.now[hash] = full
}
