package bench

import "context"

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

