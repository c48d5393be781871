package routing

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// stats are the counts of a Node's metrics.
type stats struct {
	Dispatched, Sent, Broadcast, PublishErrors, Delivered, Malformed, Dropped, Panics uint64
}

// Stats returns the counts so far.
func (n *Node) Stats() stats {
	count := func(c prometheus.Counter) uint64 { return uint64(testutil.ToFloat64(c)) }
	m := n.count
	return stats{
		Dispatched: count(m.dispatched), Sent: count(m.sent), Broadcast: count(m.broadcast), PublishErrors: count(m.publishErrors),
		Delivered: count(m.delivered), Malformed: count(m.malformed), Dropped: count(m.dropped), Panics: count(m.panics),
	}
}
