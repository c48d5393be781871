package routing

import "sync/atomic"

// Stats are counts since the start of a Node. Each is meant to be exported as the
// Prometheus counter that its comment names.
type Stats struct {
	Dispatched    uint64 // im_routing_dispatched_total: commits of a conversation that were routed to other nodes, or needed by none
	Sent          uint64 // im_routing_sent_total: messages to one other node
	Broadcast     uint64 // im_routing_broadcast_total: messages to all nodes
	PublishErrors uint64 // im_routing_publish_errors_total: messages that the broker did not accept
	Delivered     uint64 // im_routing_delivered_total: commits and signals that other nodes sent
	Malformed     uint64 // im_routing_malformed_total: messages from the broker that were empty or unreadable
	Dropped       uint64 // im_routing_dropped_total: commits left to the tail and signals lost because a queue was full
	Panics        uint64 // im_routing_panics_total: panics of handlers and of the hub
	LookedUp      uint64 // im_routing_looked_up_total: users whose nodes were read from Redis
	RedisErrors   uint64 // im_routing_redis_errors_total: calls of Redis that failed
}

type counters struct {
	dispatched, sent, broadcast, publishErrors, delivered, malformed, dropped, panics atomic.Uint64
}

// Stats returns the counts so far.
func (n *Node) Stats() Stats {
	c, r := n.count, n.Registry.Stats()
	return Stats{
		Dispatched:    c.dispatched.Load(),
		Sent:          c.sent.Load(),
		Broadcast:     c.broadcast.Load(),
		PublishErrors: c.publishErrors.Load(),
		Delivered:     c.delivered.Load(),
		Malformed:     c.malformed.Load(),
		Dropped:       c.dropped.Load(),
		Panics:        c.panics.Load(),
		LookedUp:      r.LookedUp,
		RedisErrors:   r.RedisErrors,
	}
}
