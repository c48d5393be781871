package broker

import (
	"context"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"

	"im/domain"
)

// Subscribe implements Broker.
func (b *AMQP) Subscribe(ctx context.Context, node domain.NodeID) <-chan *message.Message {
	out := make(chan *message.Message)
	go func() {
		defer close(out)
		for ctx.Err() == nil {
			if err := b.consume(ctx, b.queue(node), out); err != nil && ctx.Err() == nil {
				b.receiving.set(err)
				b.logger.Error("Cannot connect to consume, trying again", err, b.reason(err))
				wait(ctx, connectPause)
			}
		}
	}()
	return out
}

// consume forwards messages until ctx ends, or RabbitMQ delivers nothing. An error means
// that it could not connect; the subscriber survives later outages by itself.
func (b *AMQP) consume(ctx context.Context, queue string, out chan<- *message.Message) error {
	d := newDialer(b.address, &b.dialed.consume)
	stop := context.AfterFunc(ctx, d.closeAll)
	subscriber, err := amqp.NewSubscriber(b.config("consume", d), watchedLogger{b.logger, b, d, &b.receiving})
	stop()
	if err != nil {
		return d.explain(err)
	}
	defer d.closeClient(subscriber.Close)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	messages, err := b.subscribe(ctx, subscriber, queue)
	if err != nil {
		return err
	}
	b.noteDeclared()
	b.queueName.Store(queue)
	b.unanswered.Store(0)
	var topology sync.WaitGroup
	topology.Go(func() {
		defer cancel()
		b.keepTopology(ctx, subscriber, queue)
	})
	b.forward(ctx, messages, out)
	cancel()
	timer := time.AfterFunc(closeTimeout, d.closeAll)
	defer timer.Stop()
	topology.Wait()
	return nil
}

// subscribe subscribes to the queue. While RabbitMQ refuses to declare it, that is tried
// again on the same connection. An error means that the connection is lost.
func (b *AMQP) subscribe(ctx context.Context, subscriber *amqp.Subscriber, queue string) (<-chan *message.Message, error) {
	for {
		messages, err := subscriber.Subscribe(ctx, queue)
		if err == nil || !subscriber.IsConnected() {
			return messages, err
		}
		b.receiving.set(err)
		b.logger.Error("Cannot declare the queue, trying again", err, b.reason(err))
		if !wait(ctx, topologyInterval) {
			return nil, ctx.Err()
		}
	}
}

// forward hands the messages over, except for those by which nodes check that they may
// publish.
func (b *AMQP) forward(ctx context.Context, messages <-chan *message.Message, out chan<- *message.Message) {
	for {
		select {
		case msg, ok := <-messages:
			b.unanswered.Store(0)
			switch {
			case !ok:
				return
			case msg.Metadata.Get(checkHeader) != "":
				msg.Ack()
			case !HandOver(ctx, out, msg):
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// keepTopology declares queue, exchanges and bindings regularly, so that one that was
// deleted comes back. The client subscribes again by itself when its queue is deleted.
// At the start it declares them more often, until the queue has its consumer. It returns
// when ctx ends, or nothing was delivered for too long.
func (b *AMQP) keepTopology(ctx context.Context, subscriber *amqp.Subscriber, queue string) {
	begun := time.Now()
	for pause := min(firstInterval, b.topologyInterval); wait(ctx, pause); pause = min(2*pause, b.topologyInterval) {
		switch err := subscriber.SubscribeInitialize(queue); {
		case err == nil:
			b.noteDeclared()
		case subscriber.IsConnected():
			b.receiving.set(err)
			b.logger.Error("Cannot declare the queue, trying again", err, b.reason(err))
		}
		if !b.delivers() && time.Since(begun) > 2*b.deliveryTimeout {
			b.logger.Error("Nothing is delivered, connecting again", errNotDelivered, b.reason(errNotDelivered))
			return
		}
	}
}

// noteDeclared notes that the node's queue was declared and bound.
func (b *AMQP) noteDeclared() {
	b.declared.Store(time.Now().UnixMilli())
	if b.topology.consumers.Load() > 0 {
		b.receiving.set(nil)
	}
}
