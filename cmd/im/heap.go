package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	heapHeadroom = 64 << 20 // of garbage that may gather before it is collected
	heapInterval = 5 * time.Second
	quietBytes   = heapHeadroom / 64 // allocated in an interval: nothing much goes on
)

// tendHeap sets the pace of the garbage collector until ctx ends, unless GOGC or
// GOMEMLIMIT do. A small heap that is doubled is collected many times a second
// under load, for nothing; and what load has left behind is of no use to a node
// whose sockets are idle, so it goes back to the system.
//
// The pace is set anew after each collection: a percentage that is right for what
// was alive is too much for what is, once thousands connect within a second.
func tendHeap(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	tick := time.NewTicker(heapInterval)
	defer tick.Stop()
	var h heapWatch
	h.adjust()
	collected := make(chan struct{}, 1)
	onCollection(ctx, collected)
	for {
		select {
		case <-ctx.Done():
			return
		case <-collected:
			h.pace()
		case <-tick.C:
			h.adjust()
		}
	}
}

// onCollection tells of the end of each collection, until ctx ends: by a piece of
// garbage that the next one finds.
func onCollection(ctx context.Context, collected chan<- struct{}) {
	runtime.AddCleanup(new(*byte), func(collected chan<- struct{}) {
		select {
		case collected <- struct{}{}:
		default:
		}
		if ctx.Err() == nil {
			onCollection(ctx, collected)
		}
	}, collected)
}

// heapWatch is what was seen at the last adjustment.
type heapWatch struct {
	allocated uint64 // since the start of the process
	percent   int
	lean      bool // nothing was left to give back
}

func (h *heapWatch) adjust() {
	h.pace()
	allocated := heapMetric("/gc/heap/allocs:bytes")
	quiet := allocated-h.allocated < quietBytes
	if quiet && !h.lean {
		debug.FreeOSMemory()
	}
	h.allocated, h.lean = allocated, quiet
}

// pace sets the percentage for what is alive.
func (h *heapWatch) pace() {
	if percent := gcPercent(heapMetric("/gc/heap/live:bytes")); percent < h.percent*4/5 || percent > h.percent*5/4 {
		debug.SetGCPercent(percent)
		h.percent = percent
	}
}

func heapMetric(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// gcPercent leaves room for heapHeadroom of garbage, or as much as is alive.
// Whatever is alive, the runtime lets a heap grow to that percentage of 4 MiB.
func gcPercent(live uint64) int {
	const least = 4 << 20
	return int(max(100, heapHeadroom*100/max(live, least)))
}
