package app

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/test/eventually"
)

// TestTuneGC: a small heap gathers the headroom and not a multiple of it. When the
// live heap has grown to a multiple, the percentage of the small one does not stay.
func TestTuneGC(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	runtime.GC()
	t.Cleanup(TuneGC())
	const room = maxHeadroom * 3 / 2
	isWithinRoom := func() bool { return readMetric("/gc/heap/goal:bytes") < readMetric("/gc/heap/live:bytes")+room }
	eventually.True(t, "the percentage is set", func() bool { return readMetric("/gc/gogc:percent") != 100 })
	require.True(t, isWithinRoom(), "while the heap is small")
	began := time.Now()
	large := make([][]byte, 0, 6000)
	for range cap(large) {
		large = append(large, make([]byte, 10<<10))
	}
	runtime.GC()
	eventually.True(t, "the percentage follows the live heap", isWithinRoom)
	require.Less(t, time.Since(began), loadInterval/2, "it does not wait for the next look at the load")
	runtime.KeepAlive(large)
}
