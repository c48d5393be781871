package edge

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Requests counts requests, over REST and WebSocket alike.
type Requests struct {
	total   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

// NewRequests returns the metrics of requests, registered with r unless that is nil.
func NewRequests(r prometheus.Registerer) *Requests {
	f := promauto.With(r)
	return &Requests{
		total: f.NewCounterVec(prometheus.CounterOpts{
			Name: "im_requests_total",
			Help: "Requests by transport (rest, ws), operation (the operationId of openapi.yaml, or the type of the frame) and code (ok, or that of the error).",
		}, []string{"transport", "operation", "code"}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "im_request_seconds", Help: "Time from the arrival of a request to its answer, by transport and operation.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"transport", "operation"}),
	}
}

// Operation counts the requests of one operation.
type Operation struct {
	ok      prometheus.Counter
	seconds prometheus.Observer
	failed  *prometheus.CounterVec // by code
}

// Operation returns what counts the requests of an operation.
func (r *Requests) Operation(transport, operation string) *Operation {
	labels := prometheus.Labels{"transport": transport, "operation": operation}
	return &Operation{
		ok:      r.total.WithLabelValues(transport, operation, "ok"),
		seconds: r.seconds.WithLabelValues(transport, operation),
		failed:  r.total.MustCurryWith(labels),
	}
}

// Done counts a request that was answered, with err unless that is nil.
func (o *Operation) Done(began time.Time, err error) {
	o.seconds.Observe(time.Since(began).Seconds())
	if err == nil {
		o.ok.Inc()
		return
	}
	o.failed.WithLabelValues(string(Coded(err).Code)).Inc()
}
