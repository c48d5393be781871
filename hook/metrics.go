package hook

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"im/domain"
)

// The results of calls. The documentation of the package explains them.
const (
	resultAccept      = "accept"
	resultReject      = "reject"
	resultReplace     = "replace"
	resultTimeout     = "timeout"
	resultUnreachable = "unreachable"
	resultUnavailable = "unavailable"
	resultStatus      = "status"
	resultInvalid     = "invalid"
	resultSkipped     = "skipped"
	resultBusy        = "busy"
)

func resultOf(v domain.Verdict, err error) string {
	f, failed := errors.AsType[*failure](err)
	switch {
	case failed:
		return f.result
	case v.Refusal != nil:
		return resultReject
	case v.Content != nil:
		return resultReplace
	default:
		return resultAccept
	}
}

type metrics struct {
	results *prometheus.CounterVec
	seconds prometheus.Histogram
	open    prometheus.Gauge
}

func newMetrics(r prometheus.Registerer, c *Caller) *metrics {
	f := promauto.With(r)
	m := &metrics{
		results: f.NewCounterVec(prometheus.CounterOpts{
			Name: "im_hook_results_total",
			Help: "Messages and edits that the hook was asked about, by result: accept, reject, replace, or why the call failed: " +
				"timeout, unreachable, unavailable (429, 502, 503, 504), status (any other), invalid (the answer), skipped (the breaker is open) or busy (too many calls).",
		}, []string{"result"}),
		seconds: f.NewHistogram(prometheus.HistogramOpts{
			Name: "im_hook_call_seconds", Help: "Time of a call of the hook, without those that were skipped.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}),
		open: f.NewGauge(prometheus.GaugeOpts{
			Name: "im_hook_breaker_open", Help: "1 while calls of the hook are skipped because its endpoint does not answer, else 0.",
		}),
	}
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "im_hook_waiting_bytes", Help: "Bytes of the messages and edits that the hook has not decided yet.",
	}, func() float64 { return float64(c.order.waiting()) })
	for _, result := range []string{
		resultAccept, resultReject, resultReplace, resultTimeout, resultUnreachable, resultUnavailable, resultStatus, resultInvalid, resultSkipped, resultBusy,
	} {
		m.results.WithLabelValues(result)
	}
	return m
}
