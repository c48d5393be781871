package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	lowest       = int64(time.Microsecond)
	highest      = int64(10 * time.Minute)
	digits       = 3
	latencyParts = 8
)

// latency is an HDR histogram that many goroutines fill, in parts so that they
// hardly meet.
type latency struct{ parts [latencyParts]latencyPart }

type latencyPart struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
}

func newLatency() *latency {
	l := &latency{}
	for i := range l.parts {
		l.parts[i].h = hdrhistogram.New(lowest, highest, digits)
	}
	return l
}

// add records nanoseconds; which is any number that differs between goroutines.
func (l *latency) add(which int, ns ...int64) {
	if len(ns) == 0 {
		return
	}
	part := &l.parts[which%latencyParts]
	part.mu.Lock()
	defer part.mu.Unlock()
	for _, v := range ns {
		_ = part.h.RecordValue(min(max(v, lowest), highest)) // within its range
	}
}

// percentiles returns metrics in milliseconds, none if nothing was recorded.
func (l *latency) percentiles(name string, of ...float64) []Metric {
	all := hdrhistogram.New(lowest, highest, digits)
	for i := range l.parts {
		l.parts[i].mu.Lock()
		all.Merge(l.parts[i].h)
		l.parts[i].mu.Unlock()
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
