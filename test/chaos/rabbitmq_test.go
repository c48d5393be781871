package chaos

import (
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// TestRabbitMQ: without RabbitMQ, sends succeed, and the tail of the log delivers to
// other nodes within 2 s. Afterwards the fast path delivers again.
func TestRabbitMQ(t *testing.T) {
	s := newScenario(t, 2, shortOrLong(34*time.Second, 3*time.Minute))
	duration := shortOrLong(5*time.Second, 30*time.Second)
	const tail = slack * 2 * time.Second
	cut := s.inject(fault{
		name: "RabbitMQ: connections cut", duration: duration,
		begin: s.each(func(n *node) { n.rabbit.Cut() }), end: s.each(func(n *node) { n.rabbit.Mend() }),
	})
	require.Less(t, cut.delivery, tail)
	lost := s.inject(fault{
		name: "RabbitMQ: connections half-open, all packets dropped", duration: duration,
		begin: s.each(func(n *node) { n.rabbit.Lose() }), end: s.each(func(n *node) { n.rabbit.Mend() }),
	})
	require.Less(t, lost.delivery, tail)
	deleted := s.inject(fault{name: "RabbitMQ: queues deleted", duration: time.Second, begin: s.deleteQueues})
	require.Less(t, deleted.delivery, tail)
	stopped := s.inject(fault{
		name: "RabbitMQ stopped and started", duration: duration,
		begin: func() { require.NoError(t, shared.rabbit.stop()) },
		end:   func() { require.NoError(t, shared.rabbit.start()) },
	})
	require.Less(t, stopped.delivery, tail)
	s.requireNoBreach()
}

// deleteQueues deletes the queue of each node. Its name is the prefix and the name of
// the node in the registry.
func (s *scenario) deleteQueues() {
	conn, err := amqp091.Dial(shared.rabbit.url())
	require.NoError(s.t, err)
	defer func() { _ = conn.Close() }()
	deleted := 0
	for _, queue := range shared.rabbit.queues(s.t, s.prefix) {
		ch, err := conn.Channel()
		require.NoError(s.t, err)
		if _, err := ch.QueueDelete(queue, false, false, false); err == nil {
			deleted++
		}
		_ = ch.Close()
	}
	require.GreaterOrEqual(s.t, deleted, len(s.nodes), "not every node has a queue")
}
