package verify

import (
	"math"
	"runtime"
	"sync"
	"time"
)

// keptBreaches is how many breaches of an invariant are kept in full; the
// others are counted. So one kind cannot hide another.
const keptBreaches = 200

// tally collects counts and breaches during the run, in the report itself.
type tally struct {
	mu     sync.Mutex
	report Report
	send   histogram
	push   histogram
	reach  histogram
	hook   histogram
}

// count changes the report under the lock.
func (t *tally) count(f func(*Report)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.report)
}

// fault counts something that may happen and is no breach.
func (t *tally) fault(what string) {
	t.count(func(r *Report) { r.Faults[what]++ })
}

func (t *tally) breach(b Breach) {
	if b.At.IsZero() {
		b.At = time.Now()
	}
	b.At = b.At.UTC()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.BreachCount++
	if t.report.ByInvariant == nil {
		t.report.ByInvariant = map[string]int64{}
	}
	if t.report.ByInvariant[b.Invariant]++; t.report.ByInvariant[b.Invariant] <= keptBreaches {
		t.report.Breaches = append(t.report.Breaches, b)
	}
}

// answered counts a send that got its seq. timed reports whether its client was
// reading all the time.
func (t *tally) answered(took time.Duration, timed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Answered++
	if timed {
		t.send.add(took)
		t.report.MaxUnanswered = max(t.report.MaxUnanswered, millis(took))
	}
}

// pushed counts a pushed event. timed reports whether the session was connected
// and reading when it was committed.
func (t *tally) pushed(late time.Duration, timed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if timed {
		t.push.add(late)
	}
	t.report.Deliveries++
}

// reached counts a reconnect and how long it took.
func (t *tally) reached(outage time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reach.add(outage)
	t.report.MaxOutage = max(t.report.MaxOutage, millis(outage))
}

// hooked counts an event that came to the webhook.
func (t *tally) hooked(late time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hook.add(late)
}

// sampleMemory updates the peak of the memory in use.
func (t *tally) sampleMemory() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.count(func(r *Report) { r.MemoryPeakMB = max(r.MemoryPeakMB, int64(m.Sys>>20)) })
}

// finish returns the report.
func (t *tally) finish() *Report {
	t.sampleMemory()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Send, t.report.Push, t.report.Reconnect = t.send.latency(), t.push.latency(), t.reach.latency()
	t.report.Webhook = t.hook.latency()
	return &t.report
}

func millis(d time.Duration) Millis {
	return Millis(math.Round(float64(d)/float64(time.Microsecond)) / 1000)
}

// histogram counts durations in classes 5 % wide, from 10 µs up.
type histogram struct {
	classes [400]int64
	count   int64
	max     time.Duration
}

const (
	classBase  = float64(10 * time.Microsecond)
	classWidth = 1.05
)

func (h *histogram) add(d time.Duration) {
	class := 0
	if f := float64(d); f > classBase {
		class = min(int(math.Log(f/classBase)/math.Log(classWidth))+1, len(h.classes)-1)
	}
	h.classes[class]++
	h.count++
	h.max = max(h.max, d)
}

// quantile returns the upper end of the class of the q-th duration.
func (h *histogram) quantile(q float64) time.Duration {
	rank := int64(math.Ceil(q * float64(h.count)))
	for class, n := range h.classes {
		if rank -= n; rank <= 0 {
			return min(h.max, time.Duration(classBase*math.Pow(classWidth, float64(class))))
		}
	}
	return h.max
}

func (h *histogram) latency() Latency {
	if h.count == 0 {
		return Latency{}
	}
	return Latency{
		Count: h.count, P50: millis(h.quantile(0.5)), P90: millis(h.quantile(0.9)), P99: millis(h.quantile(0.99)), Max: millis(h.max),
	}
}
