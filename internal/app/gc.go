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
	leastHeadroom = 8 << 20  // of garbage that may gather before it is collected
	heapHeadroom  = 64 << 20 // under load
	heapInterval  = 5 * time.Second
	// unhurried is how many collections an interval may have before the headroom grows.
	unhurried  = 10
	quietBytes = 1 << 20 // allocated in an interval: nothing much goes on
)

// tendHeap sets the pace of the garbage collector until ctx ends, unless GOGC or
// GOMEMLIMIT do. A small heap that is doubled is collected many times a second
// under load, for nothing; and what load has left behind is of no use to a node
// whose sockets are idle, so it goes back to the system. Without load the
// headroom is small: what stays of a crowd that connects lies scattered between
// its garbage, and no page that holds some of it can go back.
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
	headroom  uint64
	percent   int
	lean      bool // nothing was left to give back
}

func (h *heapWatch) adjust() {
	allocated := heapMetric("/gc/heap/allocs:bytes")
	lately := allocated - h.allocated
	h.headroom = min(max(lately/unhurried, leastHeadroom), heapHeadroom)
	h.pace()
	quiet := lately < quietBytes
	if quiet && !h.lean {
		debug.FreeOSMemory()
	}
	h.allocated, h.lean = allocated, quiet
}

// pace sets the percentage for what is alive.
func (h *heapWatch) pace() {
	percent := gcPercent(heapMetric("/gc/heap/live:bytes"), h.headroom)
	if percent < h.percent*4/5 || percent > h.percent*5/4 {
		debug.SetGCPercent(percent)
		h.percent = percent
	}
}

func heapMetric(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// gcPercent leaves room for so much garbage, or as much as is alive. Whatever is
// alive, the runtime lets a heap grow to that percentage of 4 MiB.
func gcPercent(live, headroom uint64) int {
	const least = 4 << 20
	return int(max(100, headroom*100/max(live, least)))
}
