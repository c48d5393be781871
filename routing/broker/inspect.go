package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	amqp091 "github.com/rabbitmq/amqp091-go"

	"im/domain"
)

// blockedWait is how long RabbitMQ has to say that it takes no messages. It does so when
// it gets one.
const blockedWait = time.Second

// Inspection is what Inspect finds out about RabbitMQ.
type Inspection struct {
	Product, Version string
	Blocked          string // why RabbitMQ takes no messages; "" if it does
	// Queues are the queues of nodes, by node, among those that were asked for.
	Queues map[domain.NodeID]QueueInspection
}

// QueueInspection is the state of a node's queue.
type QueueInspection struct{ Messages, Consumers int }

// Inspect connects to RabbitMQ and does there what a node does, with a queue of its own: so
// an error is that of a right that is missing, in words for an operator. It looks for the
// queues of the nodes. While RabbitMQ takes no messages, only that is found out.
func (b *AMQP) Inspect(ctx context.Context, probe domain.NodeID, nodes []domain.NodeID) (i Inspection, err error) {
	d := newDialer(b.address, &b.dialed.check)
	defer d.closeAll()
	defer context.AfterFunc(ctx, d.closeAll)()
	conn, err := amqp091.DialConfig(b.address.uri, b.clientConfig("doctor", d))
	if err != nil {
		return i, b.explained(d.explain(err))
	}
	defer func() { _ = conn.Close() }()
	i.Product, i.Version = fmt.Sprint(conn.Properties["product"]), fmt.Sprint(conn.Properties["version"])
	blocked := conn.NotifyBlocked(make(chan amqp091.Blocking, 1))
	used := make(chan error, 1)
	go func() { used <- b.useQueue(conn, d, b.queue(probe)) }() // ends with the connection at the latest
	for checked := (<-chan time.Time)(nil); ; {
		select {
		case now := <-blocked:
			// From now on RabbitMQ reads nothing from the connection, so nothing else can be
			// asked. It deletes the queue by itself.
			i.Blocked = now.Reason
			return i, nil
		case err := <-used:
			if err != nil {
				return i, b.explained(err)
			}
			checked = time.After(blockedWait)
			continue
		case <-checked:
		case <-ctx.Done():
			return i, ctx.Err()
		}
		break
	}
	i.Queues = map[domain.NodeID]QueueInspection{}
	for _, node := range nodes {
		queue, found, err := findQueue(conn, b.queue(node))
		if err != nil {
			return i, b.explained(err)
		}
		if found {
			i.Queues[node] = queue
		}
	}
	return i, nil
}

func (b *AMQP) explained(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", b.describe(err), err)
}

// useQueue declares a queue as a node does, publishes to it, reads from it and deletes it.
func (b *AMQP) useQueue(conn *amqp091.Connection, d *dialer, queue string) error {
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	defer func() { _ = ch.Close() }()
	t := &topology{all: b.topology.all, nodes: b.topology.nodes}
	err = t.BuildTopology(ch, amqp.BuildTopologyParams{QueueName: queue}, b.config("doctor", d), nil)
	if err != nil {
		return err
	}
	if err := t.checkPublishing(conn, queue, false); err != nil {
		return err
	}
	if _, _, err := ch.Get(queue, true); err != nil {
		return needs("read", "consuming", err)
	}
	_, err = ch.QueueDelete(queue, false, false, false)
	return needs("configure", "deleting the queue "+queue, err)
}

// findQueue returns the state of a queue if it exists.
func findQueue(conn *amqp091.Connection, name string) (QueueInspection, bool, error) {
	ch, err := conn.Channel()
	if err != nil {
		return QueueInspection{}, false, err
	}
	defer func() { _ = ch.Close() }()
	queue, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
	if answer, ok := errors.AsType[*amqp091.Error](err); ok && answer.Code == amqp091.NotFound {
		return QueueInspection{}, false, nil
	}
	return QueueInspection{Messages: queue.Messages, Consumers: queue.Consumers}, err == nil, err
}
