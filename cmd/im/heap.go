package main

import (
	"context"
	"os"
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
func tendHeap(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	tick := time.NewTicker(heapInterval)
	defer tick.Stop()
	var h heapWatch
	for {
		h.adjust()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// heapWatch is what was seen at the last adjustment.
type heapWatch struct {
	allocated uint64 // since the start of the process
	percent   int
	lean      bool // nothing was left to give back
}

func (h *heapWatch) adjust() {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	live, allocated := sample[0].Value.Uint64(), sample[1].Value.Uint64()
	quiet := allocated-h.allocated < quietBytes
	headroom := min(max((allocated-h.allocated)/unhurried, leastHeadroom), heapHeadroom)
	if percent := gcPercent(live, headroom); percent < h.percent*4/5 || percent > h.percent*5/4 {
		debug.SetGCPercent(percent)
		h.percent = percent
	}
	if quiet && !h.lean {
		debug.FreeOSMemory()
	}
	h.allocated, h.lean = allocated, quiet
}

// gcPercent leaves room for so much garbage, or as much as is alive.
func gcPercent(live, headroom uint64) int {
	const least = 1 << 20
	return int(max(100, headroom*100/max(live, least)))
}
