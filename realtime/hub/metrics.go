package hub

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are what a hub counts.
type metrics struct {
	healed, stalled  prometheus.Counter
	reads            prometheus.Observer
	tailed, tailFail prometheus.Counter
	tail             prometheus.Observer
	epochs           prometheus.Counter
	lastTail         atomic.Int64 // Unix ns of the last successful reading of the feed
}

// register registers the metrics of a hub, and what is read when they are collected.
func (h *Hub) register(r prometheus.Registerer) {
	f := promauto.With(r)
	readings := f.NewCounterVec(prometheus.CounterOpts{
		Name: "im_tail_readings_total", Help: "Readings of the feed of commits by the tail, by result: ok or failed.",
	}, []string{"result"})
	seconds := []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}
	h.metrics = metrics{
		healed: f.NewCounter(prometheus.CounterOpts{
			Name: "im_tail_healed_events_total", Help: "Events that were read from the log and pushed, because neither this node nor RabbitMQ brought them in time.",
		}),
		stalled: f.NewCounter(prometheus.CounterOpts{
			Name: "im_hub_read_failures_total", Help: "Readings of the log for pushes that failed; the next tick of the tail repeats them.",
		}),
		reads: f.NewHistogram(prometheus.HistogramOpts{
			Name: "im_hub_read_seconds", Help: "Time of a reading of missing events from the log.", Buckets: seconds,
		}),
		tailed: readings.WithLabelValues("ok"), tailFail: readings.WithLabelValues("failed"),
		tail: f.NewHistogram(prometheus.HistogramOpts{
			Name: "im_tail_reading_seconds", Help: "Time of a reading of the feed of commits.", Buckets: seconds,
		}),
		epochs: f.NewCounter(prometheus.CounterOpts{
			Name: "im_epoch_changes_total", Help: "New epochs that this node has seen: the log came back in an earlier state. All sessions were ended.",
		}),
	}
	h.metrics.lastTail.Store(time.Now().UnixNano())
	gauge := func(name, help string, value func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	gauge("im_tail_age_seconds", "Time since the feed of commits was read. The tail reads it once a second.", func() float64 {
		return time.Since(time.Unix(0, h.metrics.lastTail.Load())).Seconds()
	})
	gauge("im_sessions", "Sessions on this node.", func() float64 { sessions, _ := h.users.count(); return float64(sessions) })
	gauge("im_users_online", "Users with a session on this node that counts as online. A user of several nodes counts on each.", func() float64 {
		_, online := h.users.count()
		return float64(online)
	})
	gauge("im_hub_conversations", "Conversations with members on this node.", func() float64 { return float64(h.Conversations()) })
	gauge("im_hub_reads_waiting", "Conversations that wait for a reading of the log.", func() float64 { return float64(h.pending.len()) })
}

// count returns the number of sessions, and of users who are online.
func (x *users) count() (sessions, online int) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, u := range x.byID {
		u.mu.Lock()
		foreground := false
		for _, s := range u.sessions {
			sessions++
			foreground = foreground || !s.background.Load()
		}
		u.mu.Unlock()
		if foreground {
			online++
		}
	}
	return sessions, online
}

// len returns the number of conversations that wait.
func (q *readQueue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.queue) + len(q.stalled)
}
