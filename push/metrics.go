package push

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"im/domain"
)

// results are the values of the label result, by outcome.
var results = map[Outcome]string{Taken: "taken", Again: "retried", Refused: "refused", Gone: "removed"}

type metrics struct {
	sends    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	lateness *prometheus.HistogramVec
	dropped  *prometheus.CounterVec
	owed     *prometheus.GaugeVec
	age      *prometheus.GaugeVec
	leads    prometheus.Gauge
}

func newMetrics(r prometheus.Registerer, senders map[domain.PushProvider]Sender) *metrics {
	f := promauto.With(r)
	provider := []string{"provider"}
	m := &metrics{
		sends: f.NewCounterVec(prometheus.CounterOpts{
			Name: "im_push_sends_total",
			Help: "Push notifications that this node has sent, by provider, kind (message, clear, test) and result: taken, retried (not taken now), refused (given up) or removed (the provider does not know the device any more).",
		}, []string{"provider", "kind", "result"}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "im_push_send_seconds", Help: "Time of a call of a push provider.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, provider),
		lateness: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "im_push_lateness_seconds", Help: "Time from a message, beyond IM_PUSH_DELAY, until a push provider has taken its notification.",
			Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600},
		}, provider),
		dropped: f.NewCounterVec(prometheus.CounterOpts{
			Name: "im_push_dropped_total", Help: "Push notifications that were dropped because the message was too old.",
		}, provider),
		owed: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "im_push_owed", Help: "Push notifications that are due, of all nodes; at most 10,000 of a provider are counted.",
		}, provider),
		age: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "im_push_owed_age_seconds", Help: "For how long the first of these has been due; 0 if none is.",
		}, provider),
		leads: f.NewGauge(prometheus.GaugeOpts{
			Name: "im_push_leads", Help: "1 if this node follows the feed for push notifications, otherwise 0.",
		}),
	}
	for p := range senders {
		name := string(p)
		for _, result := range results {
			m.sends.WithLabelValues(name, string(KindMessage), result)
		}
		m.seconds.WithLabelValues(name)
		m.lateness.WithLabelValues(name)
		m.dropped.WithLabelValues(name)
		m.owes(p, domain.PushOwed{})
	}
	return m
}

func (m *metrics) owes(p domain.PushProvider, o domain.PushOwed) {
	m.owed.WithLabelValues(string(p)).Set(float64(o.Due))
	m.age.WithLabelValues(string(p)).Set(o.Oldest.Seconds())
}

// done counts a call.
func (m *metrics) done(p domain.PushProvider, kind Kind, r Result, took time.Duration) {
	m.sends.WithLabelValues(string(p), string(kind), results[r.Outcome]).Inc()
	m.seconds.WithLabelValues(string(p)).Observe(took.Seconds())
}

// late notes how late a notification was taken.
func (m *metrics) late(p domain.PushProvider, by time.Duration) {
	m.lateness.WithLabelValues(string(p)).Observe(max(0, by.Seconds()))
}
