package registry

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are what a Registry counts.
type metrics struct {
	lookedUp, redisErrors, renamed prometheus.Counter
	lookups                        prometheus.Observer
}

// register registers the metrics, and what is read when they are collected.
func (r *Registry) register(with prometheus.Registerer) {
	f := promauto.With(with)
	r.count = &metrics{
		lookedUp: f.NewCounter(prometheus.CounterOpts{
			Name: "im_registry_looked_up_total", Help: "Users whose nodes were read from Redis for a delivery.",
		}),
		redisErrors: f.NewCounter(prometheus.CounterOpts{
			Name: "im_registry_redis_errors_total", Help: "Calls of Redis that failed.",
		}),
		renamed: f.NewCounter(prometheus.CounterOpts{
			Name: "im_registry_renames_total", Help: "Times that this node lost its lease and went on under a new node id.",
		}),
		lookups: f.NewHistogram(prometheus.HistogramOpts{
			Name: "im_registry_lookup_seconds", Help: "Time of a lookup in Redis of the nodes of users.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1},
		}),
	}
	gauge := func(name, help string, value func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	gauge("im_registry_ready", "1 while Redis can be used, else 0: then commits go to all nodes.", func() float64 {
		if r.Ready() != nil {
			return 0
		}
		return 1
	})
	gauge("im_registry_nodes", "Nodes with a lease, as this node last read them.", func() float64 { return float64(r.nodes.count()) })
	gauge("im_registry_removals", "Entries of sessions that are still to be removed from Redis.", func() float64 {
		r.mu.Lock()
		defer r.mu.Unlock()
		return float64(len(r.removals))
	})
}

// count returns the number of nodes that were alive at the last refresh.
func (l *liveness) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.alive)
}
