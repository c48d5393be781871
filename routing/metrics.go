package routing

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are what a Node counts.
type metrics struct {
	dispatched, sent, broadcast, publishErrors prometheus.Counter
	delivered, malformed, dropped, panics      prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return promauto.With(r).NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	return &metrics{
		dispatched:    counter("im_routing_dispatched_total", "Commits of a conversation that were routed to other nodes, or needed by none."),
		sent:          counter("im_routing_sent_total", "Messages to one other node."),
		broadcast:     counter("im_routing_broadcast_total", "Messages to all nodes."),
		publishErrors: counter("im_routing_publish_errors_total", "Messages that the broker did not accept. The tail of the log brings what they held."),
		delivered:     counter("im_routing_delivered_total", "Commits and signals that other nodes sent."),
		malformed:     counter("im_routing_malformed_total", "Messages from the broker that were empty or unreadable."),
		dropped:       counter("im_routing_dropped_total", "Commits left to the tail and signals lost because a queue was full."),
		panics:        counter("im_routing_panics_total", "Panics of handlers and of the hub."),
	}
}

// register registers what is read when the metrics are collected.
func (n *Node) register(r prometheus.Registerer) {
	f := promauto.With(r)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "im_broker_ready", Help: "1 while messages can be sent to other nodes and received from them, else 0.",
	}, func() float64 {
		if n.BrokerReady() != nil {
			return 0
		}
		return 1
	})
	bytes := func(name string, size func() int) {
		f.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "im_routing_queue_bytes", Help: "Bytes that wait in the queues to the hub of this node (local) and to other nodes (remote).",
			ConstLabels: prometheus.Labels{"queue": name},
		}, func() float64 { return float64(size()) })
	}
	bytes("local_commits", n.local.commits.Bytes)
	bytes("local_signals", n.local.signals.Bytes)
	bytes("remote_commits", n.commits.queue.Bytes)
	bytes("remote_signals", n.signals.queue.Bytes)
}
