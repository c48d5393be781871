package realtime

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"im/internal/edge"
	"im/realtime/wire"
	"im/realtime/ws"
)

// closedWithoutFrame is the code of a socket that ended without a close frame of the
// server (RFC 6455).
const closedWithoutFrame = "1006"

// metrics are what a gateway counts.
type metrics struct {
	sockets     *ws.Metrics
	connects    *prometheus.CounterVec
	connected   prometheus.Counter // of connects
	joins       prometheus.Observer
	disconnects *prometheus.CounterVec
	received    map[string]prometheus.Counter // frames by type
	unknown     prometheus.Counter            // of other types
	operations  map[string]*edge.Operation    // by type of the request
}

// requestTypes are the types of frames that are requests, in the sense that one may
// fail.
var requestTypes = []string{"hello", "sync", "send", "pull", "ack", "read", "typing", "watch", "ping"}

// registerMetrics registers the metrics of a gateway, and what is read when they are collected.
func (g *Gateway) registerMetrics(r prometheus.Registerer, requests *edge.Requests) {
	f := promauto.With(r)
	connects := f.NewCounterVec(prometheus.CounterOpts{
		Name: "im_connects_total", Help: "Handshakes and hellos by code: ok (a session began), or the code of the error that refused it.",
	}, []string{"code"})
	received := f.NewCounterVec(prometheus.CounterOpts{
		Name: "im_frames_received_total", Help: "Frames from clients, by type; other: bad JSON, or no type of the contract.",
	}, []string{"type"})
	g.metrics = metrics{
		sockets: ws.NewMetrics(r), connects: connects, connected: connects.WithLabelValues("ok"),
		joins: f.NewHistogram(prometheus.HistogramOpts{
			Name: "im_join_seconds", Help: "Time from a hello to its welcome.",
			Buckets: []float64{.0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
		disconnects: f.NewCounterVec(prometheus.CounterOpts{
			Name: "im_disconnects_total", Help: "Ends of sockets by close code; 1006: without a close frame of the server.",
		}, []string{"code"}),
		received: map[string]prometheus.Counter{}, unknown: received.WithLabelValues("other"), operations: map[string]*edge.Operation{},
	}
	for _, kind := range requestTypes {
		g.metrics.received[kind] = received.WithLabelValues(kind)
		g.metrics.operations[kind] = requests.Operation("ws", kind)
	}
	gauge := func(name, help string, value func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	gauge("im_sockets", "Open sockets of this node, those included that are still without a hello.", func() float64 { n, _, _ := g.load(); return float64(n) })
	gauge("im_socket_queue_bytes", "Bytes that wait to be written, in the queues of all sockets.", func() float64 { _, bytes, _ := g.load(); return float64(bytes) })
	gauge("im_socket_queue_largest_bytes", "Bytes that wait in the fullest queue of a socket.", func() float64 { _, _, largest := g.load(); return float64(largest) })
	gauge("im_joins", "Sessions that are joining.", func() float64 { return float64(len(g.joins)) })
}

// AcksAge returns for how long acknowledgements of devices have waited to be written.
func (g *Gateway) AcksAge() time.Duration { return g.acks.pending.Age() }

// load returns the number of sockets, and the bytes in all of their queues and in the
// fullest one.
func (g *Gateway) load() (sockets, bytes, largest int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for k := range g.sockets {
		n := k.queue.Bytes()
		bytes += n
		largest = max(largest, n)
	}
	return len(g.sockets), bytes, largest
}

// refused counts a handshake or a hello that was refused.
func (m *metrics) refused(err error) {
	m.connects.WithLabelValues(string(edge.Coded(err).Code)).Inc()
}

// closed counts the end of a socket.
func (m *metrics) closed(code wire.CloseCode) {
	label := closedWithoutFrame
	if code != 0 {
		label = strconv.Itoa(int(code))
	}
	m.disconnects.WithLabelValues(label).Inc()
}

// frame counts a frame from a client.
func (m *metrics) frame(kind string) {
	if c := m.received[kind]; c != nil {
		c.Inc()
		return
	}
	m.unknown.Inc()
}

// done counts the answer to a request.
func (m *metrics) done(kind string, began time.Time, err error) {
	if o := m.operations[kind]; o != nil {
		o.Done(began, err)
	}
}
