package broker

import (
	"context"
	"log/slog"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"im/domain"
	"im/routing/internal/queue"
)

// receiverBytes bounds the messages that wait for one node of this process.
const receiverBytes = 16 << 20

// InProcess is the broker of nodes that share a process and one InProcess.
type InProcess struct {
	pubsub *gochannel.GoChannel
}

var _ Broker = (*InProcess)(nil)

// NewInProcess returns a broker without subscribers.
func NewInProcess(logger *slog.Logger) *InProcess {
	// Without waiting for the ack, a GoChannel does not keep the order.
	config := gochannel.Config{BlockPublishUntilSubscriberAck: true}
	return &InProcess{pubsub: gochannel.NewGoChannel(config, NewLogger(logger))}
}

// Run implements Broker. There is no connection to keep.
func (b *InProcess) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Publish implements Broker.
func (b *InProcess) Publish(to domain.NodeID, msgs ...*message.Message) error {
	return b.pubsub.Publish(string(to), msgs...)
}

// Ready implements Broker. It always returns nil.
func (b *InProcess) Ready() error { return nil }

// Subscribe implements Broker. Between Publish and the receiver there is a bounded
// queue: Publish waits until its message is in the queue, not for the receiver. This
// keeps the order, and two nodes that publish to each other cannot block each other.
// A message that does not fit is dropped.
func (b *InProcess) Subscribe(ctx context.Context, node domain.NodeID) <-chan *message.Message {
	waiting := queue.New[received](receiverBytes)
	out := make(chan *message.Message)
	var sources sync.WaitGroup
	for _, topic := range []domain.NodeID{node, AllNodes} {
		in, err := b.pubsub.Subscribe(ctx, string(topic))
		if err != nil {
			continue // only a closed GoChannel returns an error, and this one is never closed
		}
		sources.Go(func() {
			for msg := range in {
				waiting.Put(received{msg.Payload, msg.Metadata}, len(msg.Payload))
				msg.Ack()
			}
		})
	}
	go func() {
		defer close(out)
		defer sources.Wait()
		for batch := range waiting.Batches(ctx, receiverBytes) {
			for _, r := range batch {
				msg := message.NewMessage("", r.payload)
				msg.Metadata = r.metadata
				if !HandOver(ctx, out, msg) {
					return
				}
			}
		}
	}()
	return out
}

// received is a message that waits for the receiver.
type received struct {
	payload  message.Payload
	metadata message.Metadata
}
