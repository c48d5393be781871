package routing

import "sync/atomic"

// Stats are counts since the start of a Node.
type Stats struct {
	Dispatched uint64 // committed batches of one conversation that were routed to other nodes' queues, or found to need none
	Sent       uint64 // messages to single nodes
	Broadcast  uint64 // messages to all nodes
	Delivered  uint64 // committed batches and signals that came from other nodes
	Dropped    uint64 // committed batches left to the tail, and signals given up, because a queue was full
	Malformed  uint64 // messages from the broker that were empty or not readable
	Lookups    uint64 // users that Redis was asked for
	Redis      uint64 // calls of Redis that failed
	Publish    uint64 // messages that the broker did not take
	Panics     uint64 // handlers that panicked
}

type counters struct {
	dispatched, sent, broadcast, delivered, dropped, malformed, lookups, redis, publish, panics atomic.Uint64
}

func (c *counters) read() Stats {
	return Stats{
		Dispatched: c.dispatched.Load(),
		Sent:       c.sent.Load(),
		Broadcast:  c.broadcast.Load(),
		Delivered:  c.delivered.Load(),
		Dropped:    c.dropped.Load(),
		Malformed:  c.malformed.Load(),
		Lookups:    c.lookups.Load(),
		Redis:      c.redis.Load(),
		Publish:    c.publish.Load(),
		Panics:     c.panics.Load(),
	}
}
