package verify

import (
	"math/rand/v2"
	"sync"
)

// lockedRand is a random source for concurrent use.
type lockedRand struct {
	mu  sync.Mutex
	rng *rand.Rand
}

// IntN returns a random number in [0, n).
func (d *lockedRand) IntN(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.IntN(n)
}

// Int64N returns a random number in [0, n).
func (d *lockedRand) Int64N(n int64) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.Int64N(n)
}

// ExpFloat64 returns an exponentially distributed number with mean 1.
func (d *lockedRand) ExpFloat64() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.ExpFloat64()
}
