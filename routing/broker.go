package routing

import (
	"context"

	"github.com/ThreeDotsLabs/watermill/message"

	"im/domain"
)

// AllNodes is the destination of what every node is told.
const AllNodes domain.NodeID = ""

// Broker carries messages between nodes: at most once in spirit, in order for
// each pair of sender and receiver, and never the only copy of anything.
type Broker interface {
	// Run keeps the sending side connected until ctx ends, and lets go of it
	// then. Each node that uses the broker runs it. It returns nil only.
	Run(ctx context.Context) error
	// Publish sends msgs, in order, to one node or to AllNodes (the sender
	// too). A node that does not exist swallows them in silence. It may block
	// for as long as a broken connection takes to be noticed.
	Publish(to domain.NodeID, msgs ...*message.Message) error
	// Subscribe receives what is sent to node and to AllNodes from then on, one
	// message at a time: the next comes after Ack. Outages are survived; the
	// channel closes after ctx has ended. Empty messages may occur.
	Subscribe(ctx context.Context, node domain.NodeID) <-chan *message.Message
	// Ready returns an error while messages can't be sent or received.
	Ready() error
}
