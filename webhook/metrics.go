package webhook

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"im/domain"
)

// The results of calls.
const (
	resultTaken   = "taken"
	resultRefused = "refused"
	resultFailed  = "failed"
	resultGone    = "gone"
)

type metrics struct {
	webhooks meter
	dropped  prometheus.Counter
	held     prometheus.Gauge
	lanes    *prometheus.GaugeVec
	events   *prometheus.GaugeVec
	oldest   *prometheus.GaugeVec

	stream       meter
	streamHeld   prometheus.Gauge
	streamLanes  prometheus.Gauge
	streamEvents prometheus.Gauge
	streamOldest prometheus.Gauge
}

// meter counts what is sent, by webhooks or by the event stream.
type meter struct {
	results  *prometheus.CounterVec
	seconds  prometheus.Observer
	lateness prometheus.Observer
	stuck    prometheus.Gauge // 1 while nothing is taken; nil for webhooks
	givenUp  string           // what is logged
}

// trackNames are the values of the label track.
var trackNames = [domain.WebhookTracks]string{"events", "notifications", "reports"}

func newMetrics(r prometheus.Registerer, stream Stream) *metrics {
	f := promauto.With(r)
	m := &metrics{}
	m.webhooks = meter{
		givenUp: "a call was given up after the last attempt",
		results: f.NewCounterVec(prometheus.CounterOpts{
			Name: "im_webhook_calls_total",
			Help: "Calls of webhooks by this node, by result: taken, refused (to be tried again), failed (given up) or gone (the webhook is disabled).",
		}, []string{"result"}),
		seconds: f.NewHistogram(prometheus.HistogramOpts{
			Name: "im_webhook_call_seconds", Help: "Time of a call of a webhook.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15},
		}),
		lateness: f.NewHistogram(prometheus.HistogramOpts{
			Name: "im_webhook_lateness_seconds", Help: "Time from an event or a report until a webhook has taken it; for notifications, beyond IM_PUSH_DELAY.",
			Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 60, 600, 3600, 6 * 3600, 24 * 3600, 72 * 3600},
		}),
	}
	m.held = f.NewGauge(prometheus.GaugeOpts{
		Name: "im_webhook_held", Help: "Webhooks that this node delivers for.",
	})
	m.dropped = f.NewCounter(prometheus.CounterOpts{
		Name: "im_webhook_dropped_total", Help: "Messages that were too old for their message.notify, those without recipients included.",
	})
	m.lanes = f.NewGaugeVec(prometheus.GaugeOpts{
		Name: "im_webhook_owed_lanes",
		Help: "Lanes that wait for the enabled webhooks that this node delivers for: conversations, or reports. At most 10,000 of a webhook and track are counted.",
	}, []string{"track"})
	m.events = f.NewGaugeVec(prometheus.GaugeOpts{
		Name: "im_webhook_owed_events", Help: "Events and reports in these lanes, those that the webhook does not ask for included.",
	}, []string{"track"})
	m.oldest = f.NewGaugeVec(prometheus.GaugeOpts{
		Name: "im_webhook_owed_age_seconds", Help: "Age of the oldest event or report in these lanes; 0 if nothing is owed.",
	}, []string{"track"})
	for _, result := range []string{resultTaken, resultRefused, resultFailed, resultGone} {
		m.webhooks.results.WithLabelValues(result)
	}
	m.owes(0, [domain.WebhookTracks]domain.WebhookOwed{})
	m.addStream(f, stream)
	return m
}

// addStream adds the metrics of the event stream. Without one, they have no transport.
func (m *metrics) addStream(f promauto.Factory, stream Stream) {
	transport := ""
	if stream != nil {
		transport = stream.Transport()
	}
	gauge := func(name, help string) prometheus.Gauge {
		return f.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"transport"}).WithLabelValues(transport)
	}
	m.stream = meter{
		givenUp: "an event was given up: the broker of the event stream has refused it at all attempts",
		results: f.NewCounterVec(prometheus.CounterOpts{
			Name: "im_stream_events_total",
			Help: "Events of the event stream that this node has sent, by result: taken, refused (to be tried again) or failed (given up).",
		}, []string{"transport", "result"}).MustCurryWith(prometheus.Labels{"transport": transport}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "im_stream_publish_seconds", Help: "Time until the broker has stored a batch of events of a conversation, or has not.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"transport"}).WithLabelValues(transport),
		lateness: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "im_stream_lateness_seconds", Help: "Time from an event until the broker has stored it.",
			Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 60, 600, 3600, 6 * 3600, 24 * 3600, 72 * 3600},
		}, []string{"transport"}).WithLabelValues(transport),
		stuck: gauge("im_stream_waiting", "1 while this node delivers the event stream and the broker takes nothing, else 0."),
	}
	m.streamHeld = gauge("im_stream_held", "1 if this node delivers the event stream, else 0.")
	m.streamLanes = gauge("im_stream_owed_lanes", "Conversations with events that this node has to send to the event stream. At most 10,000 are counted.")
	m.streamEvents = gauge("im_stream_owed_events", "Events of these conversations that were not sent.")
	m.streamOldest = gauge("im_stream_owed_age_seconds", "Age of the oldest of these events; 0 if there are none.")
	for _, result := range []string{resultTaken, resultRefused, resultFailed} {
		m.stream.results.WithLabelValues(result)
	}
}

// owes sets how many webhooks this node delivers for, and how much they are owed.
func (m *metrics) owes(held int, owed [domain.WebhookTracks]domain.WebhookOwed) {
	m.held.Set(float64(held))
	for track, o := range owed {
		m.lanes.WithLabelValues(trackNames[track]).Set(float64(o.Lanes))
		m.events.WithLabelValues(trackNames[track]).Set(float64(o.Events))
		m.oldest.WithLabelValues(trackNames[track]).Set(o.Oldest.Seconds())
	}
}

// streamOwes is owes for the event stream.
func (m *metrics) streamOwes(held int, o domain.WebhookOwed) {
	m.streamHeld.Set(float64(held))
	m.streamLanes.Set(float64(o.Lanes))
	m.streamEvents.Set(float64(o.Events))
	m.streamOldest.Set(o.Oldest.Seconds())
	if held == 0 {
		m.stream.stuck.Set(0)
	}
}

// taken counts a call with messages that were taken.
func (m *meter) taken(r result, list []message) {
	m.results.WithLabelValues(resultTaken).Add(float64(len(list)))
	m.seconds.Observe(r.duration.Seconds())
	for _, one := range list {
		m.lateness.Observe(time.Since(one.since).Seconds())
	}
	m.answers()
}

// answers notes that something was taken, or refused.
func (m *meter) answers() {
	if m.stuck != nil {
		m.stuck.Set(0)
	}
}

// rejected counts a call whose message was not taken.
func (m *meter) rejected(outcome string, r result) {
	m.results.WithLabelValues(outcome).Inc()
	m.seconds.Observe(r.duration.Seconds())
}

// away notes that nothing is taken at present.
func (m *meter) away() {
	if m.stuck != nil {
		m.stuck.Set(1)
	}
}
