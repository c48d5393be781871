package verify

import (
	"math/rand/v2"
	"sync"
)

// dice are a source of chance that two goroutines may share.
type dice struct {
	mu  sync.Mutex
	rng *rand.Rand
}

// IntN returns a number from 0 to n-1.
func (d *dice) IntN(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.IntN(n)
}

// Int64N returns a number from 0 to n-1.
func (d *dice) Int64N(n int64) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.Int64N(n)
}

// ExpFloat64 returns an exponentially distributed number of mean 1.
func (d *dice) ExpFloat64() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.ExpFloat64()
}
