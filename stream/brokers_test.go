package stream_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"im/stream"
	"im/test/amqptest"
	"im/test/leaktest"
	"im/test/natstest"
	"im/test/proxytest"
)

func TestMain(m *testing.M) {
	leaktest.Main(m)
}

// received is a message as a consumer gets it.
type received struct {
	id, key string // key is what consumers select by
	dedup   string // of NATS
	body    string
}

// broker is a broker with a consumer that reads everything from the beginning.
type broker struct {
	address string
	cut     func()
	mend    func()

	mu   sync.Mutex
	list []received
}

func (b *broker) add(r received) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = append(b.list, r)
}

// got returns what has come, in its order.
func (b *broker) got() []received {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.list)
}

// publisher returns a publisher to the broker.
func (b *broker) publisher(t testing.TB) *stream.Publisher {
	t.Helper()
	a, err := stream.Parse(b.address)
	require.NoError(t, err)
	p := stream.New(a)
	t.Cleanup(p.Close)
	return p
}

// transports are the brokers that tests run with. Each takes messages of at most maxBytes
// bytes, if that is not 0.
var transports = map[string]func(t testing.TB, maxBytes int) *broker{stream.AMQP: startAMQP, stream.NATS: startNATS, stream.Kafka: startKafka}

// each runs a test with each transport.
func each(t *testing.T, maxBytes int, run func(t *testing.T, b *broker)) {
	t.Parallel()
	for name, start := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, start(t, maxBytes))
		})
	}
}

// ownRabbit is a server of the test's own, with a limit.
func ownRabbit(t testing.TB, maxBytes int) string {
	server, err := amqptest.StartServer(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(server.Stop)
	_, err = server.Control("eval", fmt.Sprintf("application:set_env(rabbit, max_message_size, %d).", maxBytes))
	require.NoError(t, err)
	return server.URL("guest", "guest", "/")
}

func startAMQP(t testing.TB, maxBytes int) *broker {
	service := amqptest.URL()
	if maxBytes > 0 {
		service = ownRabbit(t, maxBytes)
	}
	exchange := strings.ReplaceAll(fmt.Sprintf("imtest.%s.%d", t.Name(), time.Now().UnixNano()), "/", ".")
	b := &broker{}
	through, proxy := proxytest.Before(t, service)
	b.address, b.cut, b.mend = strings.TrimSuffix(through, "/")+"/"+exchange, proxy.Cut, proxy.Mend

	conn, err := amqp091.Dial(service)
	require.NoError(t, err)
	channel, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, channel.ExchangeDeclare(exchange, "topic", true, false, false, false, nil))
	queue, err := channel.QueueDeclare("", false, true, true, false, nil)
	require.NoError(t, err)
	require.NoError(t, channel.QueueBind(queue.Name, "#", exchange, false, nil))
	deliveries, err := channel.Consume(queue.Name, "", true, true, false, false, nil)
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for d := range deliveries {
			b.add(received{id: d.MessageId, key: d.RoutingKey, body: string(d.Body)})
		}
	}()
	t.Cleanup(func() {
		_ = channel.ExchangeDelete(exchange, false, false)
		_ = conn.Close()
		<-done
	})
	return b
}

func startNATS(t testing.TB, maxBytes int) *broker {
	config := []string{}
	if maxBytes > 0 {
		config = append(config, fmt.Sprintf("max_payload: %d", maxBytes))
	}
	server := natstest.StartServer(t, config...)
	proxy := proxytest.New(t, server.Addr())
	b := &broker{address: "nats://" + proxy.Addr() + "/events", cut: proxy.Cut, mend: proxy.Mend}
	conn, err := nats.Connect("nats://" + server.Addr())
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "events", Subjects: []string{"events.>"}})
	require.NoError(t, err)
	consumer, err := js.OrderedConsumer(t.Context(), "events", jetstream.OrderedConsumerConfig{})
	require.NoError(t, err)
	running, err := consumer.Consume(func(m jetstream.Msg) {
		b.add(received{
			id: m.Headers().Get("webhook-id"), key: strings.TrimPrefix(m.Subject(), "events."), dedup: m.Headers().Get(jetstream.MsgIDHeader), body: string(m.Data()),
		})
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		running.Stop()
		<-running.Closed()
	})
	return b
}

// gate is a listener whose connections can be cut: kfake tells its clients its own address,
// so that they would go past a proxy.
type gate struct {
	net.Listener

	mu    sync.Mutex
	down  bool
	conns []net.Conn
}

func (g *gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		g.mu.Lock()
		down := g.down
		g.conns = append(g.conns, conn)
		g.mu.Unlock()
		if !down {
			return conn, nil
		}
		_ = conn.Close()
	}
}

func (g *gate) set(down bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down = down; down {
		for _, conn := range g.conns {
			_ = conn.Close()
		}
		g.conns = nil
	}
}

func startKafka(t testing.TB, maxBytes int) *broker {
	var mu sync.Mutex
	var gates []*gate
	options := []kfake.Opt{
		kfake.NumBrokers(2), kfake.SeedTopics(3, "events"),
		kfake.ListenFn(func(network, address string) (net.Listener, error) {
			l, err := new(net.ListenConfig).Listen(context.Background(), network, address)
			g := &gate{Listener: l}
			mu.Lock()
			defer mu.Unlock()
			gates = append(gates, g)
			return g, err
		}),
	}
	if maxBytes > 0 {
		options = append(options, kfake.BrokerConfigs(map[string]string{"message.max.bytes": fmt.Sprint(maxBytes)}))
	}
	cluster, err := kfake.NewCluster(options...)
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	set := func(down bool) {
		mu.Lock()
		defer mu.Unlock()
		for _, g := range gates {
			g.set(down)
		}
	}
	b := &broker{
		address: (&url.URL{Scheme: "kafka", Host: strings.Join(cluster.ListenAddrs(), ","), Path: "/events"}).String(),
		cut:     func() { set(true) }, mend: func() { set(false) },
	}
	consumer, err := kgo.NewClient(
		kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics("events"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxWait(100*time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }), kgo.MetadataMinAge(100*time.Millisecond))
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			fetches := consumer.PollFetches(context.Background())
			if fetches.IsClientClosed() {
				return
			}
			fetches.EachRecord(func(r *kgo.Record) {
				m := received{body: string(r.Value)}
				for _, h := range r.Headers {
					switch h.Key {
					case "webhook-id":
						m.id = string(h.Value)
					case "type":
						m.key = string(h.Value)
					}
				}
				if !strings.HasPrefix(m.id, string(r.Key)+":") {
					m.id = "the key is not the conversation: " + string(r.Key)
				}
				b.add(m)
			})
		}
	}()
	t.Cleanup(func() {
		consumer.Close()
		<-done
	})
	return b
}

// listenSilently returns the address of a server that accepts connections and does nothing.
func listenSilently(t testing.TB) string {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := &gate{Listener: l}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := g.Accept(); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		g.set(true)
		<-done
	})
	return l.Addr().String()
}
