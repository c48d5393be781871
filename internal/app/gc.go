package app

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	minHeadroom  = 8 << 20  // bytes of garbage between two collections, without load
	maxHeadroom  = 64 << 20 // the same under load
	minHeap      = 4 << 20  // the runtime applies the percentage to at least this much
	gcInterval   = 100 * time.Millisecond
	loadInterval = 5 * time.Second
	// collections is how many a load may cause in loadInterval before the headroom
	// grows.
	collections = 10
	// quietBytes, allocated in loadInterval, is no load worth mentioning.
	quietBytes = 1 << 20
)

// TuneGC adjusts the percentage of the garbage collector until stop is called, which
// waits for its end. It does nothing if GOGC or GOMEMLIMIT is set. There must be one
// in a process.
//
// A constant percentage suits a node badly. With GOGC=100 a small heap is collected
// many times a second under load: a message takes 13 % more CPU. With a higher one,
// thousands of clients that connect at once leave their surviving objects spread over
// pages of garbage, which cannot be returned to the system: an idle socket takes a
// quarter more memory. So the garbage is limited in bytes, to a headroom that follows
// the load, and memory is returned when there is no load any more.
//
// The percentage is checked more often than the load: one that was right for a small
// live heap lets a heap grow to a multiple of it once clients connect.
func TuneGC() (stop func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	stopped := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { new(gcTuner).run(stopped) })
	return func() {
		close(stopped)
		running.Wait()
	}
}

// gcTuner holds the state of the last adjustment.
type gcTuner struct {
	allocated uint64 // bytes since the start of the process
	headroom  uint64
	percent   int
	released  bool // unused memory was returned to the system
}

func (g *gcTuner) run(stopped <-chan struct{}) {
	load, percent := time.NewTicker(loadInterval), time.NewTicker(gcInterval)
	defer load.Stop()
	defer percent.Stop()
	for g.setHeadroom(); ; {
		select {
		case <-stopped:
			return
		case <-percent.C:
			g.setPercent()
		case <-load.C:
			g.setHeadroom()
		}
	}
}

// setHeadroom sets the headroom for the recent load. Without load it returns unused
// memory to the system, once.
func (g *gcTuner) setHeadroom() {
	allocated := readMetric("/gc/heap/allocs:bytes")
	recent := allocated - g.allocated
	g.headroom = min(max(recent/collections, minHeadroom), maxHeadroom)
	g.setPercent()
	quiet := recent < quietBytes
	if quiet && !g.released {
		debug.FreeOSMemory()
	}
	g.allocated, g.released = allocated, quiet
}

// setPercent sets the percentage that leaves the headroom beside the live heap, or
// 100 % if the live heap is larger. Small changes are not worth a stop of the world.
func (g *gcTuner) setPercent() {
	live := readMetric("/gc/heap/live:bytes")
	percent := int(max(100, g.headroom*100/max(live, minHeap)))
	if percent < g.percent*4/5 || percent > g.percent*5/4 {
		debug.SetGCPercent(percent)
		g.percent = percent
	}
}

func readMetric(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
