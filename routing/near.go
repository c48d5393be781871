package routing

import (
	"sync/atomic"

	"github.com/ThreeDotsLabs/watermill/message"

	"im/domain"
)

// atOnce is how many events, times members, are pushed by who has committed them.
// It bounds for how long that holds up the next commit: well below a millisecond.
const atOnce = 256

// near serves this node's own sessions. What few members wait for is pushed by who
// has committed it, so that the event can leave with the answer to its sender.
// The rest goes by the router, and so does all that comes until the router has
// done with that, which keeps the order.
type near struct {
	*feed[domain.Committed]
	local   Local
	guard   func(name string, do func())
	waiting atomic.Int64 // in the feed, or being pushed from there
}

// push returns whether there was room.
func (n *near) push(c domain.Committed) bool {
	if c.Audience != nil && len(c.Events)*len(c.Audience) <= atOnce && n.waiting.Load() == 0 {
		n.guard("push", func() { n.local.Push(c) })
		return true
	}
	n.waiting.Add(1)
	fits := n.put(c, committedSize(&c))
	if !fits {
		n.waiting.Add(-1)
	}
	return fits
}

// handle takes from the router what has gone by it.
func (n *near) handle(msg *message.Message) error {
	batch := carried[domain.Committed](msg)
	defer n.waiting.Add(-int64(len(batch)))
	for i := range batch {
		n.local.Push(batch[i])
	}
	return nil
}
