package appendlog

import (
	"math/rand/v2"
	"time"

	"im/domain"
)

const (
	// maxQueueTime is how long a new command may have to wait for those queued before
	// it. If they take longer, it is refused at once. Without that, every command in
	// this first-in first-out queue would wait nearly as long as it may, and most would
	// then be refused.
	maxQueueTime = 2 * time.Second
	// throughputHolds is how long a measured throughput counts.
	throughputHolds = attemptAppend + time.Second
)

// throughput is how fast one committer writes while more is queued than fits in a
// batch. A batch that takes everything queued says nothing about the limit.
type throughput struct {
	bytesPerSecond float64
	at             time.Time
}

// observe records a batch that left commands queued.
func (p *throughput) observe(size int, took time.Duration, now time.Time) {
	if took > 0 {
		p.bytesPerSecond, p.at = float64(size)/took.Seconds(), now
	}
}

// drainTime estimates how long size bytes take at the total throughput of all
// committers; 0 if it is unknown.
func drainTime(throughputs []throughput, size int, now time.Time) time.Duration {
	var total float64
	for _, p := range throughputs {
		if now.Sub(p.at) < throughputHolds {
			total += p.bytesPerSecond
		}
	}
	if total == 0 {
		return 0
	}
	return time.Duration(float64(size) / total * float64(time.Second))
}

// overloaded is the error of a command that would have to wait for wait. The delay to
// retry after is random, so that refused callers do not return together. It is short,
// because the throughput of a server that hangs does not say when the server goes on.
func overloaded(wait time.Duration) error {
	wait = min(wait, maxQueueTime)
	return domain.ErrUnavailable.WithRetryAfter(max(fullRetryAfter, wait/2+rand.N(wait/2+1)))
}
