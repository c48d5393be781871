package appendlog

import "time"

const (
	firstBatchBytes = 256 << 10
	minBatchBytes   = 16 << 10
	// longBatch is how long a batch may take before the next is smaller. It leaves
	// an attempt time for a new connection, and for a batch that takes longer.
	longBatch = attemptAppend / 4
)

// batchSize is how much a committer writes at once. A server, or the way to it, that
// is slow must not be given more than it takes during one attempt: each would be
// given up, and nothing would be written for as long as more comes.
type batchSize struct {
	bytes int
	took  time.Duration // of the last batch that was written
}

// succeeded records a batch that was written.
func (x *batchSize) succeeded(size int, took time.Duration) {
	x.took = took
	switch {
	case took > longBatch:
		x.bytes = max(minBatchBytes, min(x.bytes, size)/2)
	case took < longBatch/2 && size > x.bytes/2:
		x.bytes = min(2*x.bytes, batchBytes)
	}
}

// timedOut records a batch that was given up because its time was over.
func (x *batchSize) timedOut(size int) { x.bytes = max(minBatchBytes, min(x.bytes, size)/4) }

// leadTime returns how long before its deadline a command must be started. A command
// started later could end the attempt at its whole batch.
func (x *batchSize) leadTime() time.Duration { return min(2*x.took, 2*longBatch) }
