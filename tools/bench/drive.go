package bench

import (
	"context"
	"time"
)

// tellsEach is how often progress is told.
const tellsEach = 2 * time.Second

// counted says what of a load is told.
type counted struct {
	metrics func(seconds float64) []Metric
	of      func() int64 // what the use of CPU is divided by, within the measured time
	unit    string       // its name
}

// drive runs a load and returns its metrics, what CPU each message (or
// what c counts) took, and what was refused or lost.
func (r *run) drive(ctx context.Context, l *load, c counted) ([]Metric, error) {
	var before, after usage
	defer r.telling(l)()
	err := l.run(ctx, r.Options,
		func() {
			before = r.cluster.parts.usage()
			r.profile.begin(r.Duration)
		},
		func() { after = r.cluster.parts.usage() })
	if err != nil {
		return nil, err
	}
	measured := c.metrics(r.Duration.Seconds())
	measured = append(measured, after.per(before, c.of(), c.unit)...)
	return append(measured,
		Metric{"refused", "", float64(l.refused.Load())},
		Metric{"lost", "", float64(l.lost())}), nil
}

// telling tells how a load gets on, until the returned function is called.
func (r *run) telling(l *load) (stop func()) {
	tick, stopped, done := time.NewTicker(tellsEach), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for last := int64(0); ; {
			select {
			case <-stopped:
				return
			case <-tick.C:
			}
			acked := l.acked.Load()
			r.say("  %s of %s: %s msg/s", time.Duration(l.clock.now()).Round(time.Second), r.Warmup+r.Duration, number(float64(acked-last)/tellsEach.Seconds()))
			last = acked
		}
	}()
	return func() {
		tick.Stop()
		close(stopped)
		<-done
	}
}
