package routing

import (
	"context"
	"log/slog"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"im/domain"
)

// inboxBytes bounds what waits in this process for one node.
const inboxBytes = 16 << 20

// InProcess is the broker of nodes that share a process, and one InProcess.
type InProcess struct {
	pubsub *gochannel.GoChannel
}

var _ Broker = (*InProcess)(nil)

// NewInProcess returns a broker without any node yet.
func NewInProcess(logger *slog.Logger) *InProcess {
	return &InProcess{pubsub: gochannel.NewGoChannel(
		gochannel.Config{BlockPublishUntilSubscriberAck: true}, newWatermillLogger(logger))}
}

// Run implements Broker; there is no connection to keep.
func (b *InProcess) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Publish implements Broker.
func (b *InProcess) Publish(to domain.NodeID, msgs ...*message.Message) error {
	return b.pubsub.Publish(string(to), msgs...)
}

// Ready implements Broker: always.
func (b *InProcess) Ready() error { return nil }

// Subscribe implements Broker. Publish waits until its message lies in the
// bounded queue between here and the receiver, never for the receiver itself:
// so order holds, and two nodes that publish to each other cannot block each
// other. What does not fit is dropped.
func (b *InProcess) Subscribe(ctx context.Context, node domain.NodeID) <-chan *message.Message {
	waiting := newQueue[message.Payload](inboxBytes)
	out := make(chan *message.Message)
	var sources sync.WaitGroup
	for _, topic := range []domain.NodeID{node, AllNodes} {
		in, err := b.pubsub.Subscribe(ctx, string(topic))
		if err != nil {
			continue // cannot happen: it is never closed
		}
		sources.Go(func() {
			for msg := range in {
				waiting.put(msg.Payload, len(msg.Payload))
				msg.Ack()
			}
		})
	}
	go func() {
		defer close(out)
		defer sources.Wait()
		for ctx.Err() == nil {
			for _, payload := range waiting.take(ctx, inboxBytes) {
				if !handOver(ctx, out, message.NewMessage("", payload)) {
					return
				}
			}
		}
	}()
	return out
}
