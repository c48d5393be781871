package stream

import (
	"context"
	"errors"
	"time"

	"im/domain"
)

const (
	dialTimeout = 3 * time.Second // of a connection to one host
	// An address has several hosts, and the handshakes take time, too.
	connectTimeout = 8 * time.Second
	pingInterval   = 5 * time.Second
)

var errClosed = errors.New("the connection was closed because the node stops")

// Publisher publishes events. It is safe for concurrent use.
type Publisher struct {
	transport

	address *Address
}

// transport is a kind of broker.
type transport interface {
	Publish(ctx context.Context, list []domain.StreamMessage) (stored int, err error)
	// check reports whether events can be published. It publishes nothing.
	check(ctx context.Context) error
	Close()
}

// New returns a Publisher. It needs no broker: Publish connects.
func New(a *Address) *Publisher {
	p := &Publisher{address: a}
	switch a.transport {
	case AMQP:
		p.transport = newAMQP(a)
	case NATS:
		p.transport = newNATS(a)
	default:
		p.transport = newKafka(a)
	}
	return p
}

// Transport returns AMQP, NATS or Kafka.
func (p *Publisher) Transport() string { return p.address.transport }

// Check reports whether events can be published to an address. It publishes nothing; of
// RabbitMQ it declares the exchange, as a node does.
func Check(ctx context.Context, a *Address) error {
	p := New(a)
	defer p.Close()
	return p.check(ctx)
}

// stored returns how many of the first outcomes are nil, and the first that is not.
func stored(outcomes []error) (int, error) {
	for i, err := range outcomes {
		if err != nil {
			return i, err
		}
	}
	return len(outcomes), nil
}
