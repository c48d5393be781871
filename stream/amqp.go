package stream

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/singleflight"

	"im/domain"
)

// amqpTransport publishes with publisher confirms. It uses the client of RabbitMQ and not
// Watermill's publisher, which waits for each confirm before it sends the next message, and
// does not return the confirms.
//
// Each call has a channel of its own from a pool: messages of a channel stay in order, and
// an error of the broker ends the channel.
type amqpTransport struct {
	address *Address
	ctx     context.Context //nolint:containedctx // of the transport, which Close ends
	cancel  context.CancelFunc
	dialing singleflight.Group // all callers wait for one attempt

	mu   sync.Mutex
	conn *amqpConn // nil: not connected
}

// amqpConn is a connection and its channels.
type amqpConn struct {
	raw    net.Conn
	client *amqp091.Connection

	mu   sync.Mutex
	idle []*amqpChannel
}

// amqpChannel is a channel in confirm mode.
type amqpChannel struct {
	*amqp091.Channel

	closed chan *amqp091.Error // why the broker has ended the channel
}

func newAMQP(a *Address) *amqpTransport {
	t := &amqpTransport{address: a}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// Publish implements transport.
func (t *amqpTransport) Publish(ctx context.Context, list []domain.StreamMessage) (int, error) {
	conn, err := t.connection(ctx)
	if err != nil {
		return 0, err
	}
	// The client blocks on a connection that takes no bytes, until it is closed underneath.
	defer context.AfterFunc(ctx, conn.abort)()
	channel, err := conn.channel()
	if err != nil {
		return 0, t.failed(conn, nil, err)
	}
	outcomes := make([]error, len(list))
	confirms := make([]*amqp091.DeferredConfirmation, len(list))
	for i := range list {
		if confirms[i], err = channel.PublishWithDeferredConfirm(t.address.name, list[i].RoutingKey(), false, false, publishing(&list[i])); err != nil {
			break
		}
	}
	for i, c := range confirms {
		if c == nil {
			outcomes[i] = cmp.Or(err, errNotConfirmed)
			continue
		}
		acked, err := c.WaitContext(ctx)
		if outcomes[i] = err; err == nil && !acked {
			outcomes[i] = errNotConfirmed
		}
	}
	done, err := stored(outcomes)
	if err != nil {
		return done, t.failed(conn, channel, err)
	}
	conn.keep(channel)
	return done, nil
}

// errNotConfirmed is the error for a message that the broker has answered with basic.nack.
var errNotConfirmed = errors.New("RabbitMQ did not confirm a message: a queue that it belongs to is full or failing")

func publishing(m *domain.StreamMessage) amqp091.Publishing {
	return amqp091.Publishing{
		MessageId: m.ID, Type: string(m.Type), Timestamp: m.At.Time, ContentType: "application/json", AppId: "im",
		DeliveryMode: amqp091.Persistent, Body: m.Body,
	}
}

// failed returns why a call failed. Channel may be nil.
func (t *amqpTransport) failed(conn *amqpConn, channel *amqpChannel, err error) error {
	if channel == nil || conn.client.IsClosed() {
		conn.abort()
		return fmt.Errorf("RabbitMQ: %w", err)
	}
	if !channel.IsClosed() { // a message was not confirmed
		conn.keep(channel)
		return err
	}
	select {
	case reason := <-channel.closed:
		switch {
		case reason == nil:
		case reason.Code == amqp091.PreconditionFailed && strings.Contains(reason.Reason, "larger than"):
			return &domain.RefusedError{Reason: "RabbitMQ: " + reason.Reason}
		case reason.Code == amqp091.NotFound:
			conn.abort() // the next connection declares the exchange
			return reason
		default:
			return reason
		}
	default:
	}
	return err
}

// connection returns the connection, and makes it if there is none.
func (t *amqpTransport) connection(ctx context.Context) (*amqpConn, error) {
	if conn := t.current(); conn != nil {
		return conn, nil
	}
	select {
	case made := <-t.dialing.DoChan("", t.connect):
		conn, _ := made.Val.(*amqpConn)
		return conn, made.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (t *amqpTransport) current() *amqpConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn != nil && t.conn.client.IsClosed() {
		t.conn = nil
	}
	return t.conn
}

// connect connects to the first host that answers.
func (t *amqpTransport) connect() (any, error) {
	if conn := t.current(); conn != nil {
		return conn, nil
	}
	ctx, cancel := context.WithTimeout(t.ctx, connectTimeout)
	defer cancel()
	var failed []error
	for _, host := range t.address.hosts {
		conn, err := t.open(ctx, host)
		if err != nil {
			failed = append(failed, fmt.Errorf("RabbitMQ at %s: %w", host, err))
			continue
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.ctx.Err() != nil {
			conn.abort()
			return nil, errClosed
		}
		t.conn = conn
		return conn, nil
	}
	return nil, errors.Join(failed...)
}

// open connects to a host, and declares the exchange.
func (t *amqpTransport) open(ctx context.Context, host string) (*amqpConn, error) {
	raw, err := dial(ctx, t.address, host)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
	config := amqp091.Config{Vhost: t.address.vhost, Heartbeat: pingInterval, Locale: "en_US", Properties: amqp091.NewConnectionProperties()}
	config.Properties.SetClientConnectionName("im events")
	if t.address.user != "" {
		config.SASL = []amqp091.Authentication{&amqp091.PlainAuth{Username: t.address.user, Password: t.address.password}}
	} else {
		config.SASL = []amqp091.Authentication{&amqp091.PlainAuth{Username: "guest", Password: "guest"}}
	}
	client, err := amqp091.Open(raw, config)
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	conn := &amqpConn{raw: raw, client: client}
	if err := conn.declare(t.address.name); err != nil {
		conn.abort()
		return nil, err
	}
	return conn, nil
}

// dial connects to a host, with TLS if the address says so.
func dial(ctx context.Context, a *Address, host string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	name, _, _ := net.SplitHostPort(host)
	config, err := a.config(name)
	if err != nil {
		return nil, err
	}
	if config == nil {
		return (&net.Dialer{}).DialContext(ctx, "tcp", host)
	}
	return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", host)
}

// declare declares the exchange, unless there is one of that name, of whatever type: that is
// the operator's decision, and the user may lack the right to declare.
func (c *amqpConn) declare(exchange string) error {
	for _, declare := range []func(*amqp091.Channel) error{
		func(ch *amqp091.Channel) error {
			return ch.ExchangeDeclarePassive(exchange, amqp091.ExchangeTopic, true, false, false, false, nil)
		},
		func(ch *amqp091.Channel) error {
			return ch.ExchangeDeclare(exchange, amqp091.ExchangeTopic, true, false, false, false, nil)
		},
	} {
		channel, err := c.client.Channel()
		if err != nil {
			return err
		}
		err = declare(channel)
		if err == nil {
			return channel.Close()
		}
		if answer, ok := errors.AsType[*amqp091.Error](err); !ok || answer.Code != amqp091.NotFound {
			return err
		}
	}
	return fmt.Errorf("the exchange %s cannot be declared", exchange)
}

// channel returns an idle channel, or a new one.
func (c *amqpConn) channel() (*amqpChannel, error) {
	c.mu.Lock()
	if n := len(c.idle); n > 0 {
		channel := c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		return channel, nil
	}
	c.mu.Unlock()
	channel, err := c.client.Channel()
	if err != nil {
		return nil, err
	}
	closed := channel.NotifyClose(make(chan *amqp091.Error, 1))
	return &amqpChannel{channel, closed}, channel.Confirm(false)
}

// keep returns a channel to the pool.
func (c *amqpConn) keep(channel *amqpChannel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !channel.IsClosed() {
		c.idle = append(c.idle, channel)
	}
}

// abort closes the connection underneath. The client then ends by itself.
func (c *amqpConn) abort() {
	raw := c.raw
	if secure, ok := raw.(*tls.Conn); ok {
		raw = secure.NetConn() // closing TLS waits for the peer
	}
	_ = raw.Close()
}

// check implements transport.
func (t *amqpTransport) check(ctx context.Context) error {
	conn, err := t.connection(ctx)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, conn.abort)()
	_, err = conn.channel()
	return err
}

// closeTimeout is for the farewell to the broker.
const closeTimeout = time.Second

// Close implements transport.
func (t *amqpTransport) Close() {
	t.cancel()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn != nil {
		timer := time.AfterFunc(closeTimeout, t.conn.abort)
		defer timer.Stop()
		_ = t.conn.client.Close() // its errors are about connections that are closed already
	}
}
