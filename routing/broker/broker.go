package broker

import (
	"context"

	"github.com/ThreeDotsLabs/watermill/message"

	"im/domain"
)

// AllNodes is the destination that every node receives from.
const AllNodes domain.NodeID = ""

// Broker carries messages between nodes. It usually delivers a message once, but may
// lose it; for each pair of sender and receiver it keeps the order.
type Broker interface {
	// Run keeps the sending side connected until ctx ends and closes it then. Each
	// node that uses the broker runs it. It always returns nil.
	Run(ctx context.Context) error
	// Publish sends msgs, in order, to one node or to AllNodes, which includes the
	// sender. Messages to a node that does not exist are dropped without an error. It
	// may block until a broken connection is detected.
	Publish(to domain.NodeID, msgs ...*message.Message) error
	// Subscribe receives what is sent to node and to AllNodes from now on. The next
	// message comes after the Ack of the one before. A subscription survives outages;
	// its channel is closed after ctx has ended. Messages may be empty.
	Subscribe(ctx context.Context, node domain.NodeID) <-chan *message.Message
	// Ready returns an error while messages cannot be sent or received.
	Ready() error
}

// HandOver sends messages to out and waits until each of them is acknowledged or
// refused. It reports false if ctx ended first.
func HandOver(ctx context.Context, out chan<- *message.Message, msgs ...*message.Message) bool {
	for _, msg := range msgs {
		select {
		case out <- msg:
		case <-ctx.Done():
			return false
		}
	}
	for _, msg := range msgs {
		select {
		case <-msg.Acked():
		case <-msg.Nacked():
		case <-ctx.Done():
			return false
		}
	}
	return true
}
