package appendlog

import (
	"math/rand/v2"
	"time"

	"im/domain"
)

const (
	// longestWait is how long a new command may have to wait for those before it; it is
	// refused where they take longer. Otherwise, in a queue that is first in, first out,
	// all would wait for nearly as long as they may, and most be refused then.
	longestWait = 2 * time.Second
	// paceHolds is how long what a batch told of the pace is believed.
	paceHolds = attemptAppend + time.Second
)

// pace is how fast one committer writes while there is more than fits in a batch. One
// that takes all that waits says nothing of it.
type pace struct {
	bytesPerSecond float64
	at             time.Time
}

// full notes a batch beside which more waited.
func (p *pace) full(size int, took time.Duration, now time.Time) {
	if took > 0 {
		p.bytesPerSecond, p.at = float64(size)/took.Seconds(), now
	}
}

// takes is how long that much takes at the pace of all; 0 where none is known.
func takes(paces []pace, size int, now time.Time) time.Duration {
	var all float64
	for _, p := range paces {
		if now.Sub(p.at) < paceHolds {
			all += p.bytesPerSecond
		}
	}
	if all == 0 {
		return 0
	}
	return time.Duration(float64(size) / all * float64(time.Second))
}

// busy refuses one who would have to wait for so long, and names a delay: not the same
// to all who came at the same time, and a short one, since the pace of a server that
// hangs says nothing of when it goes on.
func busy(wait time.Duration) error {
	wait = min(wait, longestWait)
	return domain.ErrUnavailable.WithRetryAfter(max(fullDelay, wait/2+rand.N(wait/2+1)))
}
