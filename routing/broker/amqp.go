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
	firstInterval    = 20 * time.Millisecond  // the first interval of these; each is twice as long as the one before
	topologyInterval = time.Second            // the longest interval between declarations of queue, exchanges and bindings
	topologyMaxAge   = 5 * time.Second        // a declaration that is older proves nothing
	publishCheck     = 5 * time.Second        // between checks of the right to publish
	publishTimeout   = 3 * time.Second        // a call that takes longer goes on without its caller
	deliveryTimeout  = 10 * time.Second       // within which the node gets a check, or anything else
	heartbeat        = 5 * time.Second        // a dead connection is detected after 7.5 s
	prefetch         = 64
)

// AMQP is the broker of one node over RabbitMQ. Each id of a node has a durable queue
// of short-lived messages, which is bound to the exchanges of topology. Sending and
// receiving use separate connections, because RabbitMQ stops reading from a connection
// that sends while it is short of memory. Both connect again by themselves.
type AMQP struct {
	address  *address
	prefix   string
	logger   Logger
	topology *topology

	topologyInterval, deliveryTimeout time.Duration

	// dialed counts connections of each purpose: see dialer.
	dialed struct{ publish, consume, check atomic.Uint64 }

	sending, receiving problem
	queueName          atomic.Value // of the subscription; string
	declared           atomic.Int64 // Unix ms of the last declaration of the node's queue
	unanswered         atomic.Int64 // Unix ms of the first check since the last delivery; 0 without one
	stalled            atomic.Int64 // calls of the publisher that take longer than publishTimeout

	mu        sync.RWMutex
	publisher *amqp.Publisher // nil while not connected
	dialer    *dialer         // of the publisher
	inFlight  sync.WaitGroup  // calls of the publisher
}

var _ Broker = (*AMQP)(nil)

// NewAMQP returns a broker that is not connected yet. Prefix starts all names of
// queues and exchanges. The URL is one as RabbitMQ defines it, with several hosts or
// several URLs with commas between them. The error does not contain the URL, which may
// hold a password.
func NewAMQP(url, prefix string, logger *slog.Logger) (*AMQP, error) {
	a, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	return &AMQP{
		address: a, prefix: prefix, logger: NewLogger(logger),
		topologyInterval: topologyInterval, deliveryTimeout: deliveryTimeout,
		topology: &topology{all: prefix + ".all", nodes: prefix + ".nodes"},
	}, nil
}

// Run implements Broker.
func (b *AMQP) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := b.keepPublisher(ctx); err != nil && ctx.Err() == nil {
			b.sending.set(err)
			b.logger.Error("Cannot connect to publish, trying again", err, b.reason(err))
			wait(ctx, connectPause)
		}
	}
	return nil
}

// keepPublisher connects and keeps the publisher until ctx ends. An error means that
// it could not connect; the publisher survives later outages by itself.
func (b *AMQP) keepPublisher(ctx context.Context) error {
	d := newDialer(b.address, &b.dialed.publish)
	stop := context.AfterFunc(ctx, d.closeAll) // ends an attempt that hangs
	publisher, err := amqp.NewPublisher(b.config("publish", d), watchedLogger{b.logger, b, d, &b.sending})
	stop()
	if err != nil {
		return d.explain(err)
	}
	b.setPublisher(publisher, d)
	defer b.inFlight.Wait()
	defer d.closeClient(publisher.Close)
	defer b.setPublisher(nil, nil)
	b.watchPublisher(ctx, publisher, d)
	return nil
}

// watchPublisher checks now and then that the user may publish, and after each new
// connection, until ctx ends.
func (b *AMQP) watchPublisher(ctx context.Context, publisher *amqp.Publisher, d *dialer) {
	var checked time.Time
	last := 0
	for first := true; first || wait(ctx, topologyInterval); first = false {
		opened, blocked := d.state()
		fresh := opened != last || b.sending.get() != nil
		if blocked != "" || !publisher.IsConnected() || !fresh && time.Since(checked) < publishCheck {
			continue
		}
		last, checked = opened, time.Now()
		b.sending.set(b.call(publisher, func() error { return b.check(publisher, fresh) }))
	}
}

// check checks that the user may publish, and sends a message to this node.
func (b *AMQP) check(publisher *amqp.Publisher, toAll bool) error {
	queue, _ := b.queueName.Load().(string)
	now := time.Now().UnixMilli()
	first := queue != "" && b.unanswered.CompareAndSwap(0, now)
	err := b.topology.checkPublishing(publisher.Connection(), queue, toAll)
	if err != nil && first {
		b.unanswered.CompareAndSwap(now, 0) // nothing was sent
	}
	return err
}

// delivers reports whether a message has come within the timeout after a check.
func (b *AMQP) delivers() bool {
	since := b.unanswered.Load()
	return since == 0 || time.Since(time.UnixMilli(since)) < b.deliveryTimeout
}

func (b *AMQP) setPublisher(publisher *amqp.Publisher, d *dialer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.publisher, b.dialer = publisher, d
}

// Publish implements Broker. RabbitMQ does not confirm messages: the tail of the log
// repairs what is lost. While RabbitMQ takes no messages, Publish fails at once.
func (b *AMQP) Publish(to domain.NodeID, msgs ...*message.Message) error {
	b.mu.RLock()
	publisher, d := b.publisher, b.dialer
	b.mu.RUnlock()
	if publisher == nil {
		return errNotConnected
	}
	if _, blocked := d.state(); blocked != "" {
		return blockedError(blocked)
	}
	topic := b.queue(to)
	if to == AllNodes {
		topic = b.topology.all
	}
	err := b.call(publisher, func() error { return publisher.Publish(topic, msgs...) })
	if err == nil {
		return nil
	}
	if answer, ok := errors.AsType[*amqp091.Error](err); ok && answer.Code == amqp091.AccessRefused {
		err = needs("write", "publishing", err)
		b.sending.set(err) // until a check succeeds
	}
	return fmt.Errorf("routing: publish: %w", err)
}

// call runs a function of the publisher. A function that hangs goes on without its
// caller, and until it ends no other is run. That keeps the order of messages.
func (b *AMQP) call(publisher *amqp.Publisher, run func() error) error {
	if err := b.beginCall(publisher); err != nil {
		return err
	}
	const answered, late = 1, 2
	var outcome atomic.Int32 // the first of them
	done := make(chan error, 1)
	go func() {
		defer b.inFlight.Done()
		done <- run()
		if !outcome.CompareAndSwap(0, answered) {
			b.stalled.Add(-1)
		}
	}()
	timer := time.NewTimer(publishTimeout)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		if !outcome.CompareAndSwap(0, late) {
			return <-done
		}
		b.stalled.Add(1)
		return errStalled
	}
}

// beginCall adds a call to those in flight, unless there is one that hangs.
func (b *AMQP) beginCall(publisher *amqp.Publisher) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	switch {
	case b.publisher != publisher:
		return errNotConnected
	case b.stalled.Load() > 0:
		return errStalled
	}
	b.inFlight.Add(1)
	return nil
}

// Ready implements Broker.
func (b *AMQP) Ready() error {
	if err := errors.Join(b.sendingError(), b.receivingError()); err != nil {
		return b.unavailable(err)
	}
	return nil
}

// sendingError returns why messages cannot be sent.
func (b *AMQP) sendingError() error {
	b.mu.RLock()
	publisher, d := b.publisher, b.dialer
	b.mu.RUnlock()
	if publisher == nil || !publisher.IsConnected() {
		return errors.Join(b.sending.get(), errNotConnected)
	}
	if _, blocked := d.state(); blocked != "" {
		return blockedError(blocked)
	}
	if b.stalled.Load() > 0 {
		return errStalled
	}
	return b.sending.get()
}

// receivingError returns why messages cannot be received.
func (b *AMQP) receivingError() error {
	switch {
	case time.Since(time.UnixMilli(b.declared.Load())) > topologyMaxAge:
		return errors.Join(b.receiving.get(), errNotDeclared)
	case b.topology.consumers.Load() == 0:
		return errors.Join(b.receiving.get(), errNoConsumer)
	case !b.delivers():
		return errNotDelivered
	}
	return nil
}

// Check connects to RabbitMQ, once. Final reports whether an error stays until a
// setting is changed. A limit that is reached is no error: the broker reports it.
func (b *AMQP) Check(ctx context.Context) (final bool, err error) {
	d := newDialer(b.address, &b.dialed.check)
	defer d.closeAll()
	defer context.AfterFunc(ctx, d.closeAll)()
	conn, err := amqp091.DialConfig(b.address.uri, b.clientConfig("check", d))
	if err == nil {
		return false, conn.Close()
	}
	err = d.explain(err)
	answer, answered := errors.AsType[*amqp091.Error](err)
	if !answered {
		return false, err
	}
	reason := b.describe(err)
	if isLimit(answer) {
		b.logger.log.Warn("RabbitMQ refuses the connection", "reason", reason, "error", err)
		return false, nil
	}
	refused := answer.Server && (answer.Code == amqp091.AccessRefused || answer.Code == amqp091.NotAllowed)
	return refused || isLoginError(err), fmt.Errorf("%s: %w", reason, err)
}

// isLoginError reports whether the client takes the end of a connection for a refusal.
func isLoginError(err error) bool {
	return errors.Is(err, amqp091.ErrSASL) || errors.Is(err, amqp091.ErrCredentials) || errors.Is(err, amqp091.ErrVhost)
}

func (b *AMQP) queue(node domain.NodeID) string { return b.prefix + ".node." + string(node) }

func (b *AMQP) clientConfig(purpose string, d *dialer) amqp091.Config {
	properties := amqp091.NewConnectionProperties()
	properties.SetClientConnectionName(b.prefix + " " + purpose)
	return amqp091.Config{Heartbeat: heartbeat, Locale: "en_US", Properties: properties, Dial: d.dial}
}

func (b *AMQP) config(purpose string, d *dialer) amqp.Config {
	client := b.clientConfig(purpose, d)
	return amqp.Config{
		Connection: amqp.ConnectionConfig{
			AmqpURI:    b.address.uri,
			AmqpConfig: &client,
			Reconnect: &amqp.ReconnectConfig{
				BackoffInitialInterval:     200 * time.Millisecond,
				BackoffRandomizationFactor: 0.2,
				BackoffMultiplier:          1.5,
				BackoffMaxInterval:         time.Second,
			},
		},
		Marshaler: marshaler{},
		Exchange: amqp.ExchangeConfig{GenerateName: func(topic string) string {
			if topic == b.topology.all {
				return topic
			}
			return b.topology.nodes
		}},
		Queue: amqp.QueueConfig{
			GenerateName: amqp.GenerateQueueNameTopicName,
			Durable:      true,
			Arguments: amqp091.Table{
				"x-queue-type":       amqp091.QueueTypeClassic, // whatever the default of the virtual host is
				"x-expires":          int32(60_000),
				"x-message-ttl":      int32(30_000),
				"x-max-length":       int32(20_000),
				"x-max-length-bytes": int32(128 << 20),
				"x-overflow":         "drop-head",
			},
		},
		QueueBind: amqp.QueueBindConfig{GenerateRoutingKey: func(string) string { return "" }},
		Publish:   amqp.PublishConfig{GenerateRoutingKey: amqp.GenerateQueueNameTopicName},
		Consume: amqp.ConsumeConfig{
			Qos: amqp.QosConfig{PrefetchCount: prefetch},
			// Else RabbitMQ moves a consumer to a queue that was deleted and declared at
			// the same time, and delivers nothing to it.
			Arguments: amqp091.Table{"x-cancel-on-ha-failover": true},
		},
		TopologyBuilder: b.topology,
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
