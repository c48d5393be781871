package stream_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/stream"
	"im/test/amqptest"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
	"im/webhook"
)

// metric returns the value of a gauge, or of a counter with a result.
func metric(t *testing.T, registry *prometheus.Registry, name, result string) float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, label := range m.GetLabel() {
				if f.GetName() == name && (result == "" || label.GetName() == "result" && label.GetValue() == result) {
					return m.GetGauge().GetValue() + m.GetCounter().GetValue()
				}
			}
		}
	}
	t.Fatal("there is no " + name)
	return 0
}

// One full queue, whose events wait, among others that are taken is no reason to log each
// attempt.
func TestFullQueueIsLoggedOnce(t *testing.T) {
	t.Parallel()
	b := startAMQP(t, 0)
	exchange := b.address[strings.LastIndex(b.address, "/")+1:]
	conn, err := amqp091.Dial(amqptest.URL())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	channel, err := conn.Channel()
	require.NoError(t, err)
	full, err := channel.QueueDeclare("", false, true, true, false, amqp091.Table{"x-max-length": int32(1), "x-overflow": "reject-publish"})
	require.NoError(t, err)
	require.NoError(t, channel.QueueBind(full.Name, "direct.#", exchange, false, nil))
	n := storetest.Start(t, pgtest.New(t))
	var logs bytes.Buffer
	stop := deliver(t, n, b, func(o *webhook.Options) { o.Logger = slog.New(slog.NewTextHandler(&logs, nil)) })
	begun(t, n)
	for i := range 3 {
		r := storetest.Wait(t, n.Send(t.Context(), "alice", domain.Post{To: domain.UserID(fmt.Sprintf("bob%d", i)), ClientMsgID: "d", Content: storetest.Text("x")}))
		require.NoError(t, r.Err)
	}
	id := n.Group(t, "alice", "bob")
	for i := range 100 {
		posts(t, n, id, i, 1)
		time.Sleep(20 * time.Millisecond)
	}
	requireComplete(t, b, id, 1, 101)
	require.NoError(t, channel.QueueUnbind(full.Name, "direct.#", exchange, nil))
	settled(t, n)
	time.Sleep(4 * time.Second) // that it goes on is known after 3 s
	stop()
	require.Equal(t, 1, strings.Count(logs.String(), "the event stream waits"), logs.String())
	require.Equal(t, 1, strings.Count(logs.String(), "the event stream goes on"), logs.String())
}

// A broker that is back and refuses all that is owed is not away.
func TestRefusalIsAnAnswer(t *testing.T) {
	each(t, 10_000, func(t *testing.T, b *broker) {
		n := storetest.Start(t, pgtest.New(t))
		id := n.Group(t, "alice", "bob")
		registry := prometheus.NewRegistry()
		deliver(t, n, b, func(o *webhook.Options) {
			o.Metrics, o.Retries = registry, []time.Duration{time.Hour}
		})
		begun(t, n)
		b.cut()
		n.Post(t, "alice", id, "large", incompressible(20_000))
		eventually.True(t, "it waits", func() bool { return metric(t, registry, "im_stream_waiting", "") == 1 })
		b.mend()
		eventually.True(t, "it is refused", func() bool { return metric(t, registry, "im_stream_events_total", "refused") == 1 })
		eventually.True(t, "it waits no longer", func() bool { return metric(t, registry, "im_stream_waiting", "") == 0 })
	})
}

// noting notes how many events are published at once.
type noting struct {
	*stream.Publisher

	mu    sync.Mutex
	sizes []int
}

func (s *noting) Publish(ctx context.Context, list []domain.StreamMessage) (int, error) {
	s.mu.Lock()
	s.sizes = append(s.sizes, len(list))
	s.mu.Unlock()
	return s.Publisher.Publish(ctx, list)
}

func (s *noting) got() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int{}, s.sizes...)
}

// While the broker is away, one event of a lane is read for each attempt.
func TestBrokerAwayReadsLittle(t *testing.T) {
	each(t, 0, func(t *testing.T, b *broker) {
		n := storetest.Start(t, pgtest.New(t))
		id := n.Group(t, "alice", "bob")
		posts(t, n, id, 0, 9)
		b.cut()
		note := &noting{Publisher: b.publisher(t)}
		deliver(t, n, b, func(o *webhook.Options) { o.Stream, o.StreamFrom = note, &domain.Time{} })
		eventually.True(t, "it is tried again", func() bool { return len(note.got()) >= 3 })
		require.Equal(t, []int{10, 1, 1}, note.got()[:3])
		b.mend()
		requireComplete(t, b, id, 1, 10)
		settled(t, n)
		require.Less(t, len(note.got()), 30)
	})
}

// A node whose broker is silent gives its leases back in time when it stops.
func TestStopWithASilentBroker(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"amqp", "nats", "kafka"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			n := storetest.Start(t, pgtest.New(t))
			b := &broker{address: scheme + "://" + listenSilently(t) + "," + listenSilently(t) + "," + listenSilently(t) + "/events"}
			note := &noting{Publisher: b.publisher(t)}
			stop := deliver(t, n, b, func(o *webhook.Options) { o.Lease, o.Stream = time.Minute, note })
			begun(t, n)
			posts(t, n, n.Group(t, "alice", "bob"), 0, 3)
			eventually.True(t, "a call waits", func() bool { return len(note.got()) > 0 })
			began := time.Now()
			stop()
			require.Less(t, time.Since(began), 6*time.Second)
			s, err := n.StreamStatus(t.Context())
			require.NoError(t, err)
			require.False(t, s.Held)
		})
	}
}
