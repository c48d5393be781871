package broker

import (
	"cmp"
	"sync/atomic"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	amqp091 "github.com/rabbitmq/amqp091-go"
)

// topology declares what a node needs. All names begin with the prefix, so that a user
// with rights on such names is enough. The default exchange would not do: to publish to
// it needs the right to write to "amq.default".
//
//	<prefix>.all        fanout exchange, to all queues
//	<prefix>.nodes      direct exchange; the routing key is the name of a queue
//	<prefix>.node.<id>  the queue of a node, bound to both
type topology struct {
	all, nodes string
	consumers  atomic.Int64 // of the queue, as of its last declaration
}

var _ amqp.TopologyBuilder = (*topology)(nil)

// rightError is an error of an operation that needs a permission.
type rightError struct {
	doing, right string
	err          error
}

// Error implements error.
func (e *rightError) Error() string { return e.doing + ": " + e.err.Error() }

// Unwrap returns the error of the client.
func (e *rightError) Unwrap() error { return e.err }

func needs(right, doing string, err error) error {
	if err == nil {
		return nil
	}
	return &rightError{doing, right, err}
}

// BuildTopology implements amqp.TopologyBuilder.
func (t *topology) BuildTopology(ch *amqp091.Channel, params amqp.BuildTopologyParams, config amqp.Config, _ watermill.LoggerAdapter) error {
	queue, err := ch.QueueDeclare(params.QueueName, config.Queue.Durable, false, false, false, config.Queue.Arguments)
	if err != nil {
		return needs("configure", "declaring the queue "+params.QueueName, err)
	}
	t.consumers.Store(int64(queue.Consumers))
	if err := t.declareExchanges(ch); err != nil {
		return err
	}
	for _, binding := range []struct{ exchange, key string }{{t.all, ""}, {t.nodes, params.QueueName}} {
		if err := ch.QueueBind(params.QueueName, binding.key, binding.exchange, false, nil); err != nil {
			return needs("write (on the queue) and read (on the exchange)", "binding the queue to "+binding.exchange, err)
		}
	}
	return nil
}

// ExchangeDeclare implements amqp.TopologyBuilder, for a publisher.
func (t *topology) ExchangeDeclare(ch *amqp091.Channel, _ string, _ amqp.Config) error {
	return t.declareExchanges(ch)
}

func (t *topology) declareExchanges(ch *amqp091.Channel) error {
	for _, exchange := range []struct{ name, kind string }{{t.all, amqp091.ExchangeFanout}, {t.nodes, amqp091.ExchangeDirect}} {
		if err := ch.ExchangeDeclare(exchange.name, exchange.kind, true, false, false, false, nil); err != nil {
			return needs("configure", "declaring the exchange "+exchange.name, err)
		}
	}
	return nil
}

// checkHeader marks messages that nodes drop.
const checkHeader = "check"

// checkPublishing returns an error if the user may not publish. It sends a message to
// the node of the queue or, if that is empty, to none and, if toAll is set, one to all
// nodes. They drop these messages.
func (t *topology) checkPublishing(conn *amqp091.Connection, queue string, toAll bool) error {
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	closed := ch.NotifyClose(make(chan *amqp091.Error, 1))
	err = t.declareExchanges(ch)
	check := amqp091.Publishing{Headers: amqp091.Table{checkHeader: "1"}}
	if err == nil {
		err = needs("write", "publishing to "+t.nodes, ch.Publish(t.nodes, queue, false, false, check))
	}
	if err == nil && toAll {
		err = needs("write", "publishing to "+t.all, ch.Publish(t.all, "", false, false, check))
	}
	// RabbitMQ refuses a message by closing the channel. It has done so before it answers
	// to Close, which then returns the refusal, or nothing if that was there already.
	err = cmp.Or(err, needs("write", "publishing to the exchanges", ch.Close()))
	select {
	case refused := <-closed:
		if refused != nil {
			err = cmp.Or(err, needs("write", "publishing to the exchanges", refused))
		}
	default:
	}
	return err
}
