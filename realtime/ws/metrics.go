package ws

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"im/internal/tracing"
	"im/realtime/wire"
)

// Path is how an event came to the hub of a node.
type Path uint8

// The paths.
const (
	PathLocal Path = iota // this node committed it
	PathAMQP              // another node sent it
	PathTail              // the hub read it from the log
	paths
)

// String returns the label of a path.
func (p Path) String() string { return [...]string{"local", "amqp", "tail"}[p] }

// Origin is when and how an event came that is on its way to sockets. All of them share
// it.
type Origin struct {
	At   int64 // when it was committed, by the clock of the database; Unix microseconds
	Path Path
	Span *tracing.Span // of its delivery on this node; nil if it is not traced
}

// frameTypes are the types of the frames that are counted by type.
var frameTypes = []string{
	"welcome", "sync_page", "sent", "event", "page", "gap", "conversation", "read_state", "receipt", "typing", "presence", "notice",
	"pong", "drain", "error", "ws_ping", "ws_pong", "ws_close",
}

// Metrics are what the sockets of a node count.
type Metrics struct {
	delivery               [paths]prometheus.Observer
	sent                   map[string]prometheus.Counter // by type
	other                  prometheus.Counter            // of sent
	writes, bytes          prometheus.Counter
	gaps                   prometheus.Counter
	lostEvents, lostSignal prometheus.Counter
}

// NewMetrics returns the metrics of sockets, registered with r unless that is nil.
func NewMetrics(r prometheus.Registerer) *Metrics {
	f := promauto.With(r)
	delivery := f.NewHistogramVec(prometheus.HistogramOpts{
		Name: "im_delivery_seconds",
		Help: "Time from the commit of an event (its at) to its write to a socket, by path: local (this node committed it), " +
			"amqp (another node sent it), tail (read from the log). Needs synchronized clocks of nodes and database.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 5, 10, 30},
	}, []string{"path"})
	sent := f.NewCounterVec(prometheus.CounterOpts{
		Name: "im_frames_sent_total", Help: "Frames written to sockets, by type. Types with ws_ are control frames.",
	}, []string{"type"})
	dropped := f.NewCounterVec(prometheus.CounterOpts{
		Name: "im_frames_dropped_total", Help: "Frames that found no room in the queue of a slow socket: events (a gap names them), and signals.",
	}, []string{"kind"})
	m := &Metrics{
		sent: map[string]prometheus.Counter{}, other: sent.WithLabelValues("other"),
		writes: f.NewCounter(prometheus.CounterOpts{Name: "im_socket_writes_total", Help: "Batches of frames written to sockets; mostly one system call each."}),
		bytes:  f.NewCounter(prometheus.CounterOpts{Name: "im_socket_written_bytes_total", Help: "Bytes written to sockets."}),
		gaps:   f.NewCounter(prometheus.CounterOpts{Name: "im_gaps_total", Help: "Gaps: a conversation of a session whose events were given up because the reader is slow."}),

		lostEvents: dropped.WithLabelValues("event"), lostSignal: dropped.WithLabelValues("signal"),
	}
	for p := range paths {
		m.delivery[p] = delivery.WithLabelValues(p.String())
	}
	for _, kind := range frameTypes {
		m.sent[kind] = sent.WithLabelValues(kind)
	}
	return m
}

// unmeasured is for queues without metrics.
var unmeasured = NewMetrics(nil)

// Wrote counts frames that were written to a socket, and how long the events among them
// took.
func (m *Metrics) Wrote(frames [][]byte, origins []*Origin) {
	size := 0
	for _, f := range frames {
		size += len(f)
		if c, known := m.sent[string(wire.Frame(f).Type())]; known {
			c.Inc()
		} else {
			m.other.Inc()
		}
	}
	m.writes.Inc()
	m.bytes.Add(float64(size))
	if len(origins) == 0 {
		return
	}
	now := time.Now().UnixMicro()
	for _, o := range origins {
		m.delivery[o.Path].Observe(float64(max(0, now-o.At)) / 1e6)
	}
}
