package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestHeapRoom: a small heap may gather the headroom and not a multiple of it; and
// when what is alive has grown manyfold, the next collection ends the room that it
// had when it was small.
func TestHeapRoom(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	runtime.GC()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); tendHeap(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	within := func(room uint64) func() bool {
		return func() bool { return heapMetric("/gc/heap/goal:bytes") < heapMetric("/gc/heap/live:bytes")+room }
	}
	require.Eventually(t, func() bool { return heapMetric("/gc/gogc:percent") != 100 }, time.Minute, time.Millisecond)
	require.True(t, within(heapHeadroom*3/2)(), "while it is small")
	crowd := make([][]byte, 0, 6000)
	for range cap(crowd) {
		crowd = append(crowd, make([]byte, 10<<10))
	}
	runtime.GC()
	require.Eventually(t, within(heapHeadroom*3/2), heapInterval/2, 10*time.Millisecond, "when it has grown")
	runtime.KeepAlive(crowd)
}
