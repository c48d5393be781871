package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	shortest      = int64(time.Microsecond)
	longest       = int64(10 * time.Minute)
	digits        = 3 // significant
	latencyShards = 8
)

// latency is an HDR histogram for many goroutines. It has shards so that they rarely
// wait for one another.
type latency struct{ shards [latencyShards]latencyShard }

type latencyShard struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
}

func newLatency() *latency {
	l := &latency{}
	for i := range l.shards {
		l.shards[i].h = hdrhistogram.New(shortest, longest, digits)
	}
	return l
}

// add records nanoseconds. Goroutines should pass different numbers as which.
func (l *latency) add(which int, ns ...int64) {
	if len(ns) == 0 {
		return
	}
	shard := &l.shards[which%latencyShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	for _, v := range ns {
		_ = shard.h.RecordValue(min(max(v, shortest), longest)) // the value is within the range
	}
}

// percentiles returns metrics in milliseconds, or none if nothing was recorded.
func (l *latency) percentiles(name string, of ...float64) []Metric {
	all := hdrhistogram.New(shortest, longest, digits)
	for i := range l.shards {
		l.shards[i].mu.Lock()
		all.Merge(l.shards[i].h)
		l.shards[i].mu.Unlock()
	}
	if all.TotalCount() == 0 {
		return nil
	}
	var metrics []Metric
	for _, p := range of {
		metrics = append(metrics, Metric{Name: name + percentName(p), Unit: "ms", Value: float64(all.ValueAtPercentile(p)) / 1e6})
	}
	return metrics
}

func percentName(p float64) string {
	switch p {
	case 50:
		return "_p50"
	case 99:
		return "_p99"
	default:
		return "_max"
	}
}
