package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"
	amqp091 "github.com/rabbitmq/amqp091-go"

	"im/domain"
)

const (
	connectPause     = 500 * time.Millisecond // between attempts to connect for the first time
	topologyInterval = time.Second            // between declarations of queue, exchange and binding
	topologyMaxAge   = 5 * time.Second        // a declaration that is older proves nothing
	heartbeat        = 5 * time.Second        // a dead connection is detected after 7.5 s
	prefetch         = 64
)

var errNotConnected = errors.New("routing: not connected to the AMQP broker")

// AMQP is the broker of one node over RabbitMQ. Each id of a node has a durable queue
// of short-lived messages, and all queues are bound to one fanout exchange. Sending
// and receiving use separate connections. Both connect again by themselves.
type AMQP struct {
	url, prefix string
	logger      Logger

	publisher atomic.Pointer[amqp.Publisher] // nil while not connected
	declared  atomic.Int64                   // Unix ms of the last declaration of the node's queue
}

var _ Broker = (*AMQP)(nil)

// NewAMQP returns a broker that is not connected yet. Prefix starts all names of
// queues and exchanges. The error does not contain the URL, which may hold a password.
func NewAMQP(url, prefix string, logger *slog.Logger) (*AMQP, error) {
	if _, err := amqp091.ParseURI(url); err != nil {
		return nil, errors.New("routing: not an AMQP URL (amqp://user:password@host:5672/vhost)")
	}
	return &AMQP{url: url, prefix: prefix, logger: NewLogger(logger)}, nil
}

// Run implements Broker.
func (b *AMQP) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := b.keepPublisher(ctx); err != nil && ctx.Err() == nil {
			b.logger.Error("Cannot connect to publish, trying again", err, nil)
			wait(ctx, connectPause)
		}
	}
	return nil
}

// keepPublisher connects and keeps the publisher until ctx ends. An error means that
// it could not connect; the publisher survives later outages by itself.
func (b *AMQP) keepPublisher(ctx context.Context) error {
	d := newDialer()
	stop := context.AfterFunc(ctx, d.closeAll) // ends an attempt that hangs
	publisher, err := amqp.NewPublisher(b.config("publish", d), b.logger)
	stop()
	if err != nil {
		return err
	}
	defer d.closeClient(publisher.Close)
	b.publisher.Store(publisher)
	<-ctx.Done()
	b.publisher.Store(nil)
	return nil
}

// Publish implements Broker. RabbitMQ does not confirm messages: the tail of the log
// repairs what is lost.
func (b *AMQP) Publish(to domain.NodeID, msgs ...*message.Message) error {
	publisher := b.publisher.Load()
	if publisher == nil {
		return errNotConnected
	}
	topic := b.queue(to)
	if to == AllNodes {
		topic = b.exchange()
	}
	if err := publisher.Publish(topic, msgs...); err != nil {
		return fmt.Errorf("routing: publish: %w", err)
	}
	return nil
}

// Ready implements Broker.
func (b *AMQP) Ready() error {
	if publisher := b.publisher.Load(); publisher == nil || !publisher.IsConnected() {
		return errNotConnected
	}
	if time.Since(time.UnixMilli(b.declared.Load())) > topologyMaxAge {
		return errors.New("routing: cannot declare the node's AMQP queue")
	}
	return nil
}

// Subscribe implements Broker.
func (b *AMQP) Subscribe(ctx context.Context, node domain.NodeID) <-chan *message.Message {
	out := make(chan *message.Message)
	go func() {
		defer close(out)
		for ctx.Err() == nil {
			if err := b.consume(ctx, b.queue(node), out); err != nil && ctx.Err() == nil {
				b.logger.Error("Cannot connect to consume, trying again", err, nil)
				wait(ctx, connectPause)
			}
		}
	}()
	return out
}

// consume forwards messages until ctx ends. An error means that it could not connect;
// the subscriber survives later outages by itself.
func (b *AMQP) consume(ctx context.Context, queue string, out chan<- *message.Message) error {
	d := newDialer()
	stop := context.AfterFunc(ctx, d.closeAll)
	subscriber, err := amqp.NewSubscriber(b.config("consume", d), b.logger)
	stop()
	if err != nil {
		return err
	}
	defer d.closeClient(subscriber.Close)
	ctx, cancel := context.WithCancel(ctx)
	messages, err := subscriber.Subscribe(ctx, queue)
	if err != nil {
		cancel()
		return err
	}
	b.declared.Store(time.Now().UnixMilli())
	var topology sync.WaitGroup
	topology.Go(func() { b.keepTopology(ctx, subscriber, queue) })
	forward(ctx, messages, out)
	cancel()
	timer := time.AfterFunc(closeTimeout, d.closeAll)
	defer timer.Stop()
	topology.Wait()
	return nil
}

func forward(ctx context.Context, messages <-chan *message.Message, out chan<- *message.Message) {
	for {
		select {
		case msg, ok := <-messages:
			if !ok || !HandOver(ctx, out, msg) {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// keepTopology declares queue, exchange and binding regularly, so that one that was
// deleted comes back. The client subscribes again by itself when its queue is deleted.
func (b *AMQP) keepTopology(ctx context.Context, subscriber *amqp.Subscriber, queue string) {
	for wait(ctx, topologyInterval) {
		if subscriber.SubscribeInitialize(queue) == nil {
			b.declared.Store(time.Now().UnixMilli())
		}
	}
}

func (b *AMQP) exchange() string { return b.prefix + ".all" }

func (b *AMQP) queue(node domain.NodeID) string { return b.prefix + ".node." + string(node) }

func (b *AMQP) config(purpose string, d *dialer) amqp.Config {
	properties := amqp091.NewConnectionProperties()
	properties.SetClientConnectionName(b.prefix + " " + purpose)
	return amqp.Config{
		Connection: amqp.ConnectionConfig{
			AmqpURI:    b.url,
			AmqpConfig: &amqp091.Config{Heartbeat: heartbeat, Locale: "en_US", Properties: properties, Dial: d.dial},
			Reconnect: &amqp.ReconnectConfig{
				BackoffInitialInterval:     200 * time.Millisecond,
				BackoffRandomizationFactor: 0.2,
				BackoffMultiplier:          1.5,
				BackoffMaxInterval:         time.Second,
			},
		},
		Marshaler: marshaler{},
		Exchange: amqp.ExchangeConfig{
			GenerateName: func(topic string) string {
				if purpose == "publish" && topic != b.exchange() {
					return "" // the default exchange: its routing key is the name of a queue
				}
				return b.exchange()
			},
			Type:    "fanout",
			Durable: true,
		},
		Queue: amqp.QueueConfig{
			GenerateName: amqp.GenerateQueueNameTopicName,
			Durable:      true,
			Arguments: amqp091.Table{
				"x-expires":          int32(60_000),
				"x-message-ttl":      int32(30_000),
				"x-max-length":       int32(20_000),
				"x-max-length-bytes": int32(128 << 20),
				"x-overflow":         "drop-head",
			},
		},
		QueueBind:       amqp.QueueBindConfig{GenerateRoutingKey: func(string) string { return "" }},
		Publish:         amqp.PublishConfig{GenerateRoutingKey: amqp.GenerateQueueNameTopicName},
		Consume:         amqp.ConsumeConfig{Qos: amqp.QosConfig{PrefetchCount: prefetch}},
		TopologyBuilder: &amqp.DefaultTopologyBuilder{},
	}
}

// wait waits for the pause and reports false if ctx ends before it is over.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
