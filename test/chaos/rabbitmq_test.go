package chaos

import (
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// TestRabbitMQ: sends go on; other nodes are served by the tail of the log
// within 2 s, and by the fast path again afterwards.
func TestRabbitMQ(t *testing.T) {
	s := newScenario(t, 2, either(34*time.Second, 3*time.Minute))
	lasts := either(5*time.Second, 30*time.Second)
	const tail = slack * 2 * time.Second
	cut := s.suffer(fault{
		name: "RabbitMQ: connections cut", lasts: lasts,
		begin: s.each(func(n *node) { n.rabbit.Cut() }), end: s.each(func(n *node) { n.rabbit.Mend() }),
	})
	require.Less(t, cut.delivery, tail)
	lost := s.suffer(fault{
		name: "RabbitMQ: connections half-open, all packets dropped", lasts: lasts,
		begin: s.each(func(n *node) { n.rabbit.Lose() }), end: s.each(func(n *node) { n.rabbit.Mend() }),
	})
	require.Less(t, lost.delivery, tail)
	deleted := s.suffer(fault{name: "RabbitMQ: queues deleted", lasts: time.Second, begin: s.deleteQueues})
	require.Less(t, deleted.delivery, tail)
	stopped := s.suffer(fault{
		name: "RabbitMQ stopped and started", lasts: lasts,
		begin: func() { require.NoError(t, shared.rabbit.stop()) },
		end:   func() { require.NoError(t, shared.rabbit.start()) },
	})
	require.Less(t, stopped.delivery, tail)
	s.judge()
}

// deleteQueues deletes the queue of each node: the name of each is the name of
// a node of the registry behind the prefix.
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
	require.GreaterOrEqual(s.t, deleted, len(s.nodes), "no queue was found")
}
