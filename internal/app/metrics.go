package app

import (
	"net/http"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics is the registry of a node's metrics. It remembers what was registered, so that
// the documentation can be compared with it.
type Metrics struct {
	*prometheus.Registry

	mu         sync.Mutex
	registered []prometheus.Collector
}

// MustRegister implements prometheus.Registerer.
func (m *Metrics) MustRegister(list ...prometheus.Collector) {
	m.Registry.MustRegister(list...)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.registered = append(m.registered, list...)
}

// newMetrics returns the registry of a node, with what is known of its process. Each node
// has its own, also those that share a process.
func newMetrics(version string) *Metrics {
	r := &Metrics{Registry: prometheus.NewRegistry()}
	r.Registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	promauto.With(r).NewGauge(prometheus.GaugeOpts{
		Name: "im_build_info", Help: "1, with the version, the commit and the Go version of the program as labels.",
		ConstLabels: prometheus.Labels{"version": version, "commit": commit(), "go": runtime.Version()},
	}).Set(1)
	return r
}

// commit returns the commit that the program was built from; "" if it is not known.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

// registerMetrics registers what the wiring knows of the node's parts.
func (n *Node) registerMetrics() {
	f := promauto.With(n.metrics)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "im_serving", Help: "1 while the node serves, 0 while it starts or stops.",
	}, func() float64 {
		if n.serving.Load() {
			return 1
		}
		return 0
	})
	for buffer, age := range map[string]func() time.Duration{
		"receipts": n.receipts.Age, "last_seen": n.lastSeen.Age, "profiles": n.profiles.Age, "acks": n.gateway.AcksAge,
	} {
		f.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "im_write_behind_age_seconds", Help: "For how long values have waited in a buffer, to be written or sent.",
			ConstLabels: prometheus.Labels{"buffer": buffer},
		}, func() float64 { return age().Seconds() })
	}
}

// Metrics returns the registry of the node's metrics.
func (n *Node) Metrics() *Metrics { return n.metrics }

// metricsHandler serves the metrics in the formats of Prometheus.
func (n *Node) metricsHandler() http.Handler {
	return promhttp.HandlerFor(n.metrics, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}
