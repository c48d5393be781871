package broker

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"im/domain"
	"im/test/amqptest"
	"im/test/eventually"
	"im/test/leaktest"
	"im/test/proxytest"
	"im/test/redistest"
)

func TestMain(m *testing.M) {
	leaktest.Main(m,
		// The AMQP client leaves this goroutine behind when it is closed during an outage.
		// A connection that was left open would show by its reader.
		goleak.IgnoreTopFunction("github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp.(*ConnectionWrapper).handleConnectionClose"))
}

func testLogger(t *testing.T) *slog.Logger {
	if !testing.Verbose() {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

func newAMQP(t *testing.T, prefix string) *AMQP {
	t.Helper()
	b, err := NewAMQP(amqptest.URL(), prefix, testLogger(t))
	require.NoError(t, err)
	amqptest.DeleteExchange(t, b.topology.all)
	amqptest.DeleteExchange(t, b.topology.nodes)
	return b
}

// cluster returns brokers that reach one another, one for each node.
type cluster func() Broker

// TestBroker is the suite that every Broker has to pass.
func TestBroker(t *testing.T) {
	for name, newCluster := range map[string]func(*testing.T) cluster{
		"in process": func(t *testing.T) cluster {
			shared := NewInProcess(testLogger(t))
			return func() Broker { return shared }
		},
		"AMQP": func(t *testing.T) cluster {
			prefix := redistest.NewPrefix()
			return func() Broker { return newAMQP(t, prefix) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			for what, test := range map[string]func(*testing.T, cluster){
				"a node gets its messages and those for all nodes":        testDestinations,
				"messages to a node that does not exist are dropped":      testUnknownNode,
				"order is kept, within and between calls":                 testOrder,
				"metadata and empty messages do no harm":                  testEmptyMessages,
				"two nodes that flood each other do not block each other": testFlood,
				"a receiver that hangs does not delay the sender":         testHangingReceiver,
				"a subscription ends with its context":                    testSubscriptionEnds,
			} {
				t.Run(what, func(t *testing.T) { test(t, newCluster(t)) })
			}
		})
	}
}

func testDestinations(t *testing.T, join cluster) {
	a, b := newReceiver(t, join(), "a"), newReceiver(t, join(), "b")
	require.NoError(t, a.Publish("b", text("for b")))
	require.NoError(t, b.Publish(AllNodes, text("for all")))
	require.NoError(t, b.Publish("a", text("for a")))
	b.expect(t, "for b", "for all")
	a.expect(t, "for all", "for a")
}

func testUnknownNode(t *testing.T, join cluster) {
	a := newReceiver(t, join(), "a")
	require.NoError(t, a.Publish("unknown", text("lost")))
	require.NoError(t, a.Publish("a", text("next")))
	a.expect(t, "next")
}

func testOrder(t *testing.T, join cluster) {
	a, b := newReceiver(t, join(), "a"), newReceiver(t, join(), "b")
	var want []string
	for i := range 100 {
		x, y := strconv.Itoa(2*i), strconv.Itoa(2*i+1)
		want = append(want, x, y)
		require.NoError(t, a.Publish([]domain.NodeID{"b", AllNodes}[i%2], text(x), text(y)))
	}
	b.expect(t, want...)
}

func testEmptyMessages(t *testing.T, join cluster) {
	a := newReceiver(t, join(), "a")
	msg := text("")
	msg.Metadata.Set("traceparent", "00-x")
	require.NoError(t, a.Publish("a", msg, text("next")))
	a.expect(t, "", "next")
}

func testFlood(t *testing.T, join cluster) {
	a, b := newReceiver(t, join(), "a"), newReceiver(t, join(), "b")
	var flood sync.WaitGroup
	for _, from := range []struct {
		*receiver
		to domain.NodeID
	}{{a, "b"}, {b, "a"}} {
		flood.Go(func() {
			for range 200 {
				_ = from.Publish(from.to, text("x"))
				_ = from.Publish(AllNodes, text("y"))
			}
		})
	}
	flood.Wait()
	eventually.True(t, "all arrived", func() bool { return a.count() == 600 && b.count() == 600 })
}

func testHangingReceiver(t *testing.T, join cluster) {
	a, b := newReceiver(t, join(), "a"), newReceiver(t, join(), "b")
	b.hold.Lock()
	for i := range 50 {
		require.NoError(t, a.Publish(AllNodes, text(strconv.Itoa(i))))
	}
	eventually.True(t, "the sender goes on", func() bool { return a.count() == 50 })
	require.Zero(t, b.count())
	b.hold.Unlock()
	eventually.True(t, "the receiver catches up", func() bool { return b.count() == 50 })
}

func testSubscriptionEnds(t *testing.T, join cluster) {
	b := join()
	newReceiver(t, b, "a")
	ctx, cancel := context.WithCancel(t.Context())
	messages := b.Subscribe(ctx, "b")
	cancel()
	for range messages {
	}
}

// receiver runs a broker and records the payloads that arrive at a node. It hangs while
// the test holds hold.
type receiver struct {
	Broker
	hold     sync.Mutex
	mu       sync.Mutex
	payloads []string
}

func newReceiver(t *testing.T, b Broker, node domain.NodeID) *receiver {
	t.Helper()
	r := run(t, b, node)
	eventually.NoError(t, "the broker is ready; this test needs RabbitMQ at IM_TEST_AMQP_URL", b.Ready)
	return r
}

// run is newReceiver without waiting until the broker is ready.
func run(t *testing.T, b Broker, node domain.NodeID) *receiver {
	r := &receiver{Broker: b}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = b.Run(ctx) })
	messages := b.Subscribe(ctx, node)
	work.Go(func() {
		for msg := range messages {
			r.hold.Lock()
			r.mu.Lock()
			r.payloads = append(r.payloads, string(msg.Payload))
			r.mu.Unlock()
			r.hold.Unlock()
			msg.Ack()
		}
	})
	t.Cleanup(func() { cancel(); work.Wait() })
	return r
}

func text(content string) *message.Message { return message.NewMessage("", []byte(content)) }

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.payloads)
}

func (r *receiver) expect(t *testing.T, want ...string) {
	t.Helper()
	eventually.True(t, "enough arrived", func() bool { return r.count() >= len(want) })
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Equal(t, want, r.payloads)
}

func TestAMQPRefusesABadURLWithoutRepeatingIt(t *testing.T) {
	_, err := NewAMQP("http://user:secret@host/", "im", testLogger(t))
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
}

func TestAMQPDeclaresDeletedTopologyAgain(t *testing.T) {
	b := newAMQP(t, redistest.NewPrefix())
	a := newReceiver(t, b, "a")
	reaches := func(to domain.NodeID) func() bool {
		return func() bool {
			before := a.count()
			_ = a.Publish(to, text("?"))
			time.Sleep(20 * time.Millisecond)
			return a.count() > before
		}
	}
	for what, destroy := range map[string]func(*amqp091.Channel) error{
		"queue": func(ch *amqp091.Channel) error {
			_, err := ch.QueueDelete(b.queue("a"), false, false, false)
			return err
		},
		"binding to all": func(ch *amqp091.Channel) error {
			return ch.QueueUnbind(b.queue("a"), "", b.topology.all, nil)
		},
		"binding to a node": func(ch *amqp091.Channel) error {
			return ch.QueueUnbind(b.queue("a"), b.queue("a"), b.topology.nodes, nil)
		},
		"exchange of all":   func(ch *amqp091.Channel) error { return ch.ExchangeDelete(b.topology.all, false, false) },
		"exchange of nodes": func(ch *amqp091.Channel) error { return ch.ExchangeDelete(b.topology.nodes, false, false) },
	} {
		amqptest.Channel(t, func(ch *amqp091.Channel) { require.NoError(t, destroy(ch)) })
		begun := time.Now()
		eventually.True(t, what+" is back for the node", reaches("a"))
		eventually.True(t, what+" is back for all nodes", reaches(AllNodes))
		require.Less(t, time.Since(begun), 15*time.Second, what)
	}
}

// TestAMQPQueueReplaced: someone deletes the queue while the node declares it. RabbitMQ
// could move the consumer to the new queue, and deliver nothing to it.
func TestAMQPQueueReplaced(t *testing.T) {
	b := newAMQP(t, redistest.NewPrefix())
	b.topologyInterval = time.Millisecond
	a := newReceiver(t, b, "a")
	for range 40 {
		amqptest.Channel(t, func(ch *amqp091.Channel) {
			_, err := ch.QueueDelete(b.queue("a"), false, false, false)
			require.NoError(t, err)
		})
		before := a.count()
		eventually.True(t, "messages arrive", func() bool {
			_ = a.Publish("a", text("?"))
			time.Sleep(5 * time.Millisecond)
			return a.count() > before
		})
	}
}

// TestAMQPNothingDelivered: RabbitMQ takes messages and delivers none. The node says so,
// and connects again.
func TestAMQPNothingDelivered(t *testing.T) {
	b := newAMQP(t, redistest.NewPrefix())
	b.deliveryTimeout = time.Second
	a := newReceiver(t, b, "a")
	unbind := func(ch *amqp091.Channel) {
		require.NoError(t, ch.QueueUnbind(b.queue("a"), b.queue("a"), b.topology.nodes, nil))
	}
	amqptest.Channel(t, func(ch *amqp091.Channel) {
		eventually.True(t, "it is noticed", func() bool {
			unbind(ch)
			err := b.Ready()
			return err != nil && strings.Contains(err.Error(), "RabbitMQ delivers nothing")
		})
	})
	eventually.NoError(t, "the broker is ready again", b.Ready)
	require.NoError(t, a.Publish("a", text("hello")))
	a.expect(t, "hello")
}

func TestAMQPWithoutAServerIsNotReadyAndStopsAtOnce(t *testing.T) {
	address, proxy := proxytest.Before(t, amqptest.URL())
	proxy.Cut()
	b, err := NewAMQP(address, redistest.NewPrefix(), testLogger(t))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- b.Run(ctx) }()
	messages := b.Subscribe(ctx, "a")
	require.Error(t, b.Ready())
	require.Error(t, b.Publish("a", text("x")))
	cancel()
	require.NoError(t, <-ran)
	_, open := <-messages
	require.False(t, open)
}
