package appendlog

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// The outcomes of commands beside the codes of errors.
const (
	outcomeCommitted = "committed"
	outcomeDuplicate = "duplicate"
	outcomeUnchanged = "unchanged"
)

// metrics are what a Log counts.
type metrics struct {
	queued, decided, written       prometheus.Observer // the stages
	commands                       prometheus.Observer // of a batch
	outcomes                       *prometheus.CounterVec
	committed, duplicate, nothing  prometheus.Counter // of outcomes
	events                         *prometheus.CounterVec
	messages                       prometheus.Counter // of events
	unknown, refused, disconnected prometheus.Counter // of failures
}

func newMetrics(r prometheus.Registerer, q *queue) *metrics {
	f := promauto.With(r)
	stage := f.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "im_append_stage_seconds",
		Help:    "Time of an append in each stage: queue (of a command, until a batch takes it), decide and commit (of a batch).",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"stage"})
	outcomes := f.NewCounterVec(prometheus.CounterOpts{
		Name: "im_append_commands_total", Help: "Commands by outcome: committed, duplicate, unchanged, or the code of the error.",
	}, []string{"outcome"})
	events := f.NewCounterVec(prometheus.CounterOpts{
		Name: "im_append_events_total", Help: "Events that this node committed, by type.",
	}, []string{"type"})
	failures := f.NewCounterVec(prometheus.CounterOpts{
		Name: "im_append_failures_total",
		Help: "Attempts at a batch that failed, by reason: unknown (no answer at the commit), refused (by the server), disconnected.",
	}, []string{"reason"})
	f.NewGaugeFunc(prometheus.GaugeOpts{Name: "im_append_queue_commands", Help: "Commands that wait for a batch."},
		func() float64 { commands, _ := q.load(); return float64(commands) })
	f.NewGaugeFunc(prometheus.GaugeOpts{Name: "im_append_queue_bytes", Help: "Bytes of the commands that are not answered yet."},
		func() float64 { _, bytes := q.load(); return float64(bytes) })
	return &metrics{
		queued: stage.WithLabelValues("queue"), decided: stage.WithLabelValues("decide"), written: stage.WithLabelValues("commit"),
		commands: f.NewHistogram(prometheus.HistogramOpts{
			Name: "im_append_batch_commands", Help: "Commands in a batch that was written.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 11),
		}),
		outcomes:  outcomes,
		committed: outcomes.WithLabelValues(outcomeCommitted), duplicate: outcomes.WithLabelValues(outcomeDuplicate),
		nothing: outcomes.WithLabelValues(outcomeUnchanged),
		events:  events, messages: events.WithLabelValues(string(domain.MessagePosted)),
		unknown: failures.WithLabelValues("unknown"), refused: failures.WithLabelValues("refused"),
		disconnected: failures.WithLabelValues("disconnected"),
	}
}

// answered counts the answer to a command.
func (m *metrics) answered(o domain.Outcome, err error) {
	switch {
	case err != nil:
		m.outcomes.WithLabelValues(string(codeOf(err))).Inc()
	case o.Duplicate:
		m.duplicate.Inc()
	case len(o.Events) == 0:
		m.nothing.Inc()
	default:
		m.committed.Inc()
	}
}

// taken counts how long the requests waited that a committer has just picked for their
// first batch.
func (m *metrics) taken(picked []*request, now time.Time) {
	for _, r := range picked {
		if !r.counted {
			r.counted = true
			m.queued.Observe(now.Sub(r.at).Seconds())
		}
	}
}

// commit counts the events of commits.
func (m *metrics) commit(commits []domain.Committed) {
	for i := range commits {
		for j := range commits[i].Events {
			if kind := commits[i].Events[j].Type; kind == domain.MessagePosted {
				m.messages.Inc()
			} else {
				m.events.WithLabelValues(string(kind)).Inc()
			}
		}
	}
}

// lostConnection counts a connection that a committer gives up; atCommit: it waited for
// the outcome of a batch.
func (m *metrics) lostConnection(atCommit bool) {
	if atCommit {
		m.unknown.Inc()
	} else {
		m.disconnected.Inc()
	}
}

// codeOf returns the code of the error of a command.
func codeOf(err error) domain.Code {
	if d, ok := pg.Translate(err).(*domain.Error); ok { //nolint:errorlint // Translate returns it as it is
		return d.Code
	}
	return domain.CodeInternal
}

// load returns how many commands wait, and the bytes of those that are not answered.
func (q *queue) load() (commands, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting), q.size
}
