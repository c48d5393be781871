package pg

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// RegisterMetrics registers the metrics of the pool that all reads share, and those of the
// replica.
func (db *DB) RegisterMetrics(r prometheus.Registerer) {
	if r != nil {
		r.MustRegister(db.replicaReads)
	}
	f, stat := promauto.With(r), db.Pool.Stat
	gauge := func(name, help string, value func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	counter := func(name, help string, value func() float64) {
		f.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value)
	}
	gauge("im_database_pool_connections", "Connections to PostgreSQL in the pool of reads.", func() float64 { return float64(stat().TotalConns()) })
	gauge("im_database_pool_connections_in_use", "Connections of the pool that a statement uses.", func() float64 { return float64(stat().AcquiredConns()) })
	gauge("im_database_pool_connections_max", "Most connections that the pool may have.", func() float64 { return float64(stat().MaxConns()) })
	counter("im_database_pool_acquires_total", "Times that a connection was taken from the pool.", func() float64 { return float64(stat().AcquireCount()) })
	counter("im_database_pool_waits_total", "Times that no connection of the pool was idle, so that a statement waited.", func() float64 { return float64(stat().EmptyAcquireCount()) })
	counter("im_database_pool_wait_seconds_total", "Time that statements waited for a connection while none was idle.", func() float64 { return stat().EmptyAcquireWaitTime().Seconds() })
	counter("im_database_pool_cancels_total", "Times that a statement gave up waiting for a connection.", func() float64 { return float64(stat().CanceledAcquireCount()) })
}
