package ratelimit

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// maxBuckets is how many buckets a limit keeps.
const maxBuckets = 50_000

// buckets are the token buckets of one limit, by the hash of their key. A bucket
// is stored as the time at which it will be full (GCRA): taking a token moves
// that time by interval. A bucket that is not stored is full.
type buckets struct {
	interval time.Duration // in which one token comes back
	depth    time.Duration // in which an empty bucket gets all its tokens but one
	seed     maphash.Seed

	mu     sync.Mutex
	fullAt *simplelru.LRU[uint64, time.Time]
}

// newBuckets returns nil for an unlimited rate.
func newBuckets(r Rate) *buckets {
	if r.unlimited() {
		return nil
	}
	fullAt, err := simplelru.NewLRU[uint64, time.Time](maxBuckets, nil)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &buckets{
		interval: r.interval(), depth: r.interval() * time.Duration(r.Burst-1), seed: maphash.MakeSeed(), fullAt: fullAt,
	}
}

// take takes a token from the bucket of key. If the bucket is empty, it takes
// nothing and returns the time until there is a token.
func take[K comparable](b *buckets, key K, now time.Time) (wait time.Duration) {
	if b == nil {
		return 0
	}
	hash := maphash.Comparable(b.seed, key)
	b.mu.Lock()
	defer b.mu.Unlock()
	fullAt, _ := b.fullAt.Get(hash)
	if fullAt.Before(now) {
		fullAt = now
	}
	if wait = fullAt.Sub(now) - b.depth; wait > 0 {
		return wait
	}
	b.fullAt.Add(hash, fullAt.Add(b.interval))
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
	fullAt, _ := b.fullAt.Get(hash)
	b.fullAt.Add(hash, fullAt.Add(-b.interval))
}
