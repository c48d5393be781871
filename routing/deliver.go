package routing

import (
	"context"
	"log/slog"

	"github.com/ThreeDotsLabs/watermill/message"

	"im/domain"
	"im/routing/broker"
)

// deliverer passes what other nodes sent to the hub.
type deliverer struct {
	origin origin
	hub    Hub
	count  *metrics
	logger *slog.Logger
	traced bool
}

// deliver is the Watermill handler for the messages in this node's queue.
func (d *deliverer) deliver(msg *message.Message) error {
	e, err := decode(msg.Payload)
	if err != nil {
		d.count.malformed.Inc()
		return nil //nolint:nilerr // it is counted; the log has what the message had
	}
	if e.origin == d.origin {
		return nil // a broadcast of this node
	}
	if d.traced {
		readTraces(msg.Metadata.Get(traceHeader), e.committed)
	}
	for _, c := range e.committed {
		c.Remote = true
		d.hub.Push(c)
	}
	for _, s := range e.signals {
		d.hub.Signal(s)
	}
	d.count.delivered.Add(float64(len(e.committed) + len(e.signals)))
	d.logger.Debug("received from another node", "commits", len(e.committed), "signals", len(e.signals))
	return nil
}

// nodeQueue is the Watermill subscriber that feeds the handler "deliver" from the
// broker. When the node gets a new id, it subscribes for that one.
type nodeQueue struct {
	broker  broker.Broker
	id      func() domain.NodeID
	renamed <-chan struct{}
}

var _ message.Subscriber = (*nodeQueue)(nil)

// Subscribe implements message.Subscriber. It may be called once.
func (q *nodeQueue) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	out := make(chan *message.Message)
	go func() {
		defer close(out)
		for ctx.Err() == nil {
			q.receive(ctx, out)
		}
	}()
	return out, nil
}

// receive forwards what is sent to the present id, until the node is renamed.
func (q *nodeQueue) receive(ctx context.Context, out chan<- *message.Message) {
	ctx, cancel := context.WithCancel(ctx)
	messages := q.broker.Subscribe(ctx, q.id())
	defer func() {
		cancel()
		for range messages { // at most one comes, because it is not acknowledged
		}
	}()
	for {
		select {
		case msg, ok := <-messages:
			if !ok {
				return
			}
			select {
			case out <- msg:
			case <-ctx.Done():
				return
			}
		case <-q.renamed:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Close implements message.Subscriber. The context of Subscribe ends a subscription.
func (q *nodeQueue) Close() error { return nil }
