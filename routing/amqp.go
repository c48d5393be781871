package routing

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
	connectPause  = 500 * time.Millisecond // between attempts while the broker is away at the start
	topologyPause = time.Second            // between looks after queue, exchange and binding
	topologyStale = 5 * time.Second        // a look that is older proves nothing
	heartbeat     = 5 * time.Second        // a dead connection is noticed after 7.5 s
	prefetch      = 64
)

// AMQP is RabbitMQ as the broker of one node: a durable queue for each life of
// the node, short-lived messages, and a fanout exchange that all queues are
// bound to. Sending and receiving have connections of their own, and both come
// up by themselves whenever the server does.
type AMQP struct {
	url, prefix string
	logger      watermillLogger

	publisher atomic.Pointer[amqp.Publisher]
	looked    atomic.Int64 // Unix ms of the last time that the node's queue was found in place
}

var _ Broker = (*AMQP)(nil)

// NewAMQP returns a broker that is not connected yet. Prefix begins all names
// of queues and exchanges. The URL is not repeated in the error.
func NewAMQP(url, prefix string, logger *slog.Logger) (*AMQP, error) {
	if _, err := amqp091.ParseURI(url); err != nil {
		return nil, errors.New("routing: not an AMQP URL (amqp://user:password@host:5672/vhost)")
	}
	return &AMQP{url: url, prefix: prefix, logger: newWatermillLogger(logger)}, nil
}

// Run implements Broker.
func (b *AMQP) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := b.publishing(ctx); err != nil && ctx.Err() == nil {
			b.logger.Error("Cannot connect for publishing", err, nil)
			wait(ctx, connectPause)
		}
	}
	return nil
}

func (b *AMQP) publishing(ctx context.Context) error {
	d := newDialer()
	hurry := context.AfterFunc(ctx, d.cut)
	publisher, err := amqp.NewPublisher(b.config("publish", d), b.logger)
	if err != nil {
		return err
	}
	defer d.closing(publisher.Close)
	hurry()
	b.publisher.Store(publisher)
	<-ctx.Done()
	b.publisher.Store(nil)
	return nil
}

// Publish implements Broker. Nothing is confirmed: the log is the safety net.
func (b *AMQP) Publish(to domain.NodeID, msgs ...*message.Message) error {
	publisher := b.publisher.Load()
	if publisher == nil {
		return errors.New("routing: not connected to the AMQP broker")
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
		return errors.New("routing: not connected to the AMQP broker")
	}
	if time.Since(time.UnixMilli(b.looked.Load())) > topologyStale {
		return errors.New("routing: the node's AMQP queue is not in place")
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
				b.logger.Error("Cannot connect for consuming", err, nil)
				wait(ctx, connectPause)
			}
		}
	}()
	return out
}

// consume forwards messages until ctx ends. An error means that it could not
// begin; later outages are the subscriber's to survive.
func (b *AMQP) consume(ctx context.Context, queue string, out chan<- *message.Message) error {
	d := newDialer()
	hurry := context.AfterFunc(ctx, d.cut)
	subscriber, err := amqp.NewSubscriber(b.config("consume", d), b.logger)
	if err != nil {
		return err
	}
	defer d.closing(subscriber.Close)
	hurry()
	ctx, cancel := context.WithCancel(ctx)
	messages, err := subscriber.Subscribe(ctx, queue)
	if err != nil {
		cancel()
		return err
	}
	b.looked.Store(time.Now().UnixMilli())
	var keeping sync.WaitGroup
	keeping.Go(func() { b.keepTopology(ctx, subscriber, queue) })
	forward(ctx, messages, out)
	cancel()
	timer := time.AfterFunc(closeTimeout, d.cut)
	defer timer.Stop()
	keeping.Wait()
	return nil
}

func forward(ctx context.Context, messages <-chan *message.Message, out chan<- *message.Message) {
	for {
		select {
		case msg, ok := <-messages:
			if !ok || !handOver(ctx, out, msg) {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// keepTopology declares queue, exchange and binding again and again, so that
// one that somebody deleted comes back. The client consumes anew by itself
// when its queue goes.
func (b *AMQP) keepTopology(ctx context.Context, subscriber *amqp.Subscriber, queue string) {
	for wait(ctx, topologyPause) {
		if subscriber.SubscribeInitialize(queue) == nil {
			b.looked.Store(time.Now().UnixMilli())
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
					return "" // the default exchange, whose routing key is the queue
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

// marshaler carries payload and metadata, not persistent. Reading never fails:
// Watermill would requeue such a message without end.
type marshaler struct{}

var _ amqp.Marshaler = marshaler{}

// Marshal implements amqp.Marshaler.
func (marshaler) Marshal(msg *message.Message) (amqp091.Publishing, error) {
	headers := make(amqp091.Table, len(msg.Metadata))
	for name, value := range msg.Metadata {
		headers[name] = value
	}
	return amqp091.Publishing{Body: msg.Payload, Headers: headers, DeliveryMode: amqp091.Transient}, nil
}

// Unmarshal implements amqp.Marshaler.
func (marshaler) Unmarshal(delivery amqp091.Delivery) (*message.Message, error) {
	msg := message.NewMessage("", delivery.Body)
	for name, value := range delivery.Headers {
		if text, ok := value.(string); ok {
			msg.Metadata.Set(name, text)
		}
	}
	return msg, nil
}

// wait returns false when ctx ends before the pause is over.
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
