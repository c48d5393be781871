package bench

import (
	"context"
	"time"
)

// progressInterval is the time between two lines of progress.
const progressInterval = 2 * time.Second

// loadMetrics are the metrics of a load.
type loadMetrics struct {
	metrics func(seconds float64) []Metric
	count   func() int64 // divides the CPU time; counted within the measured time
	unit    string       // of count
}

// drive runs a load. It returns its metrics, the CPU time for each unit of c, and the
// numbers of refused and lost messages.
func (r *run) drive(ctx context.Context, l *load, c loadMetrics) ([]Metric, error) {
	var before, after usage
	defer r.reportProgress(l)()
	err := l.run(ctx, r.Options,
		func() {
			before = r.cluster.parts.usage()
			r.profile.begin(r.Duration)
			r.tracing.begin(ctx, r.Duration)
		},
		func() { after = r.cluster.parts.usage() })
	if err != nil {
		return nil, err
	}
	measured := c.metrics(r.Duration.Seconds())
	measured = append(measured, after.per(before, c.count(), c.unit)...)
	return append(measured,
		Metric{"refused", "", float64(l.refused.Load())},
		Metric{"lost", "", float64(l.lost())}), nil
}

// reportProgress prints the progress of a load until stop is called.
func (r *run) reportProgress(l *load) (stop func()) {
	tick, stopped, done := time.NewTicker(progressInterval), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for last := int64(0); ; {
			select {
			case <-stopped:
				return
			case <-tick.C:
			}
			acked := l.acked.Load()
			r.say("  %s of %s: %s msg/s", time.Duration(l.clock.now()).Round(time.Second), r.Warmup+r.Duration, number(float64(acked-last)/progressInterval.Seconds()))
			last = acked
		}
	}()
	return func() {
		tick.Stop()
		close(stopped)
		<-done
	}
}
