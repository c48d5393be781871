package routing

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/proxytest"
)

// TestBroker is what every Broker has to pass. The function makes brokers that
// know one another, as those of two nodes do.
func TestBroker(t *testing.T) {
	t.Run("in process", func(t *testing.T) {
		testBroker(t, func(t *testing.T) func() Broker {
			shared := NewInProcess(testLogger(t))
			return func() Broker { return shared }
		})
	})
	t.Run("AMQP", func(t *testing.T) {
		testBroker(t, func(t *testing.T) func() Broker {
			prefix := newPrefix()
			return func() Broker { return realBroker(t, prefix, amqpURL()) }
		})
	})
}

func testBroker(t *testing.T, cluster func(*testing.T) func() Broker) {
	t.Run("one node gets what is for it and what is for all", func(t *testing.T) {
		join := cluster(t)
		a, b := newParty(t, join(), "a"), newParty(t, join(), "b")
		require.NoError(t, a.Publish("b", say("for b")))
		require.NoError(t, b.Publish(AllNodes, say("for all")))
		require.NoError(t, b.Publish("a", say("for a")))
		b.expect(t, "for b", "for all")
		a.expect(t, "for all", "for a")
	})
	t.Run("nobody minds a node that is not there", func(t *testing.T) {
		a := newParty(t, cluster(t)(), "a")
		require.NoError(t, a.Publish("nobody", say("hello?")))
		require.NoError(t, a.Publish("a", say("still here")))
		a.expect(t, "still here")
	})
	t.Run("order is kept, within and between calls", func(t *testing.T) {
		join := cluster(t)
		a, b := newParty(t, join(), "a"), newParty(t, join(), "b")
		var want []string
		for i := range 100 {
			x, y := strconv.Itoa(2*i), strconv.Itoa(2*i+1)
			want = append(want, x, y)
			require.NoError(t, a.Publish([]domain.NodeID{"b", AllNodes}[i%2], say(x), say(y)))
		}
		b.expect(t, want...)
	})
	t.Run("metadata and empty messages do no harm", func(t *testing.T) {
		a := newParty(t, cluster(t)(), "a")
		msg := say("")
		msg.Metadata.Set("traceparent", "00-x")
		require.NoError(t, a.Publish("a", msg, say("next")))
		a.expect(t, "", "next")
	})
	t.Run("two nodes that flood each other do not block each other", func(t *testing.T) {
		join := cluster(t)
		a, b := newParty(t, join(), "a"), newParty(t, join(), "b")
		var flood sync.WaitGroup
		for _, from := range []struct {
			*party
			to domain.NodeID
		}{{a, "b"}, {b, "a"}} {
			flood.Go(func() {
				for range 200 {
					_ = from.Publish(from.to, say("x"))
					_ = from.Publish(AllNodes, say("y"))
				}
			})
		}
		flood.Wait()
		eventually(t, "all arrived", func() bool { return a.count() == 600 && b.count() == 600 })
	})
	t.Run("a receiver that hangs does not hold up the sender", func(t *testing.T) {
		join := cluster(t)
		a, b := newParty(t, join(), "a"), newParty(t, join(), "b")
		release := b.hang()
		for i := range 50 {
			require.NoError(t, a.Publish(AllNodes, say(strconv.Itoa(i))))
		}
		eventually(t, "the sender goes on", func() bool { return a.count() == 50 })
		require.Zero(t, b.count())
		release()
		eventually(t, "the receiver comes after", func() bool { return b.count() == 50 })
	})
	t.Run("a subscription ends with its context", func(t *testing.T) {
		broker := cluster(t)()
		newParty(t, broker, "a")
		ctx, cancel := context.WithCancel(t.Context())
		messages := broker.Subscribe(ctx, "b")
		cancel()
		for range messages {
		}
	})
}

// party runs a broker and gathers what arrives at a node.
type party struct {
	Broker
	mu       sync.Mutex
	payloads []string
	gate     sync.Mutex
}

func newParty(t *testing.T, broker Broker, node domain.NodeID) *party {
	t.Helper()
	p := &party{Broker: broker}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = broker.Run(ctx) })
	messages := broker.Subscribe(ctx, node)
	work.Go(func() {
		for msg := range messages {
			p.gate.Lock()
			p.mu.Lock()
			p.payloads = append(p.payloads, string(msg.Payload))
			p.mu.Unlock()
			p.gate.Unlock()
			msg.Ack()
		}
	})
	t.Cleanup(func() { cancel(); work.Wait() })
	eventually(t, "broker is ready; these tests need RabbitMQ at IM_TEST_AMQP_URL", func() bool { return broker.Ready() == nil })
	return p
}

func say(text string) *message.Message { return message.NewMessage("", []byte(text)) }

func (p *party) hang() (release func()) {
	p.gate.Lock()
	return p.gate.Unlock
}

func (p *party) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.payloads)
}

func (p *party) expect(t *testing.T, want ...string) {
	t.Helper()
	eventually(t, "enough arrived", func() bool { return p.count() >= len(want) })
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Equal(t, want, p.payloads)
}

func TestAMQP(t *testing.T) {
	t.Run("a bad URL is refused without being repeated", func(t *testing.T) {
		_, err := NewAMQP("http://user:secret@host/", "im", testLogger(t))
		require.Error(t, err)
		require.NotContains(t, err.Error(), "secret")
	})
	t.Run("a deleted queue, binding or exchange comes back", func(t *testing.T) {
		broker := realBroker(t, newPrefix(), amqpURL())
		a := newParty(t, broker, "a")
		reach := func(to domain.NodeID) func() bool {
			return func() bool {
				n := a.count()
				_ = a.Publish(to, say("?"))
				time.Sleep(20 * time.Millisecond)
				return a.count() > n
			}
		}
		for what, destroy := range map[string]func(*amqp091.Channel) error{
			"queue": func(ch *amqp091.Channel) error {
				_, err := ch.QueueDelete(broker.queue("a"), false, false, false)
				return err
			},
			"binding": func(ch *amqp091.Channel) error {
				return ch.QueueUnbind(broker.queue("a"), "", broker.exchange(), nil)
			},
			"exchange": func(ch *amqp091.Channel) error { return ch.ExchangeDelete(broker.exchange(), false, false) },
		} {
			withChannel(t, func(ch *amqp091.Channel) { require.NoError(t, destroy(ch)) })
			begun := time.Now()
			eventually(t, what+" is back for the node", reach("a"))
			eventually(t, what+" is back for all", reach(AllNodes))
			require.Less(t, time.Since(begun), 15*time.Second, what)
		}
	})
	t.Run("without a server it says so, and stops at once", func(t *testing.T) {
		address, p := proxytest.Before(t, amqpURL())
		p.Cut()
		broker, err := NewAMQP(address, newPrefix(), testLogger(t))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- broker.Run(ctx) }()
		messages := broker.Subscribe(ctx, "a")
		require.Error(t, broker.Ready())
		require.Error(t, broker.Publish("a", say("x")))
		cancel()
		require.NoError(t, <-ran)
		_, open := <-messages
		require.False(t, open)
	})
}
