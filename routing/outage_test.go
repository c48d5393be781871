//go:build !race

// The AMQP client has a data race of its own at an outage (watermill#693, on
// the field connected), which the race detector would report here.

package routing

import (
	"slices"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/proxytest"
)

// TestBrokerOutage: sends go on, the own node is served at once, and the fast
// path comes back by itself.
func TestBrokerOutage(t *testing.T) {
	address, service := proxytest.Before(t, amqpURL())
	prefix, client := newPrefix(), realRedis(t)
	forget(t, client, prefix)
	start := func(name string) (*member, *AMQP) {
		broker := realBroker(t, prefix, address)
		return startNode(t, Options{Name: name, Prefix: prefix, Redis: client, Broker: broker, RedisTimeout: calm}), broker
	}
	a, _ := start("a")
	b, queues := start("b")
	a.awaitReady(t)
	b.awaitReady(t)
	b.connect(t, "bob", 1)
	id, seq := newConversation(), int64(0)
	next := func(audience ...domain.UserID) int64 {
		seq++
		a.commit(committed(id, seq, audience...))
		return seq
	}
	reaches := func(t *testing.T, audience ...domain.UserID) {
		t.Helper()
		first := seq + 1
		eventually(t, "delivered", func() bool {
			next(audience...)
			time.Sleep(10 * time.Millisecond)
			return slices.ContainsFunc(b.local.seqs(id), func(arrived int64) bool { return arrived >= first })
		})
	}
	reaches(t, "bob")

	for range 2 {
		t.Run("connection cut", func(t *testing.T) {
			service.Cut()
			eventually(t, "it is noticed", func() bool { next("bob"); return a.Stats().Publish > 0 && a.Ready(t.Context()) != nil })
			own := next("bob")
			eventually(t, "the own node is served", func() bool { return a.local.got(id, own) })
			time.Sleep(2 * time.Second) // long enough for the backoff to reach its most
			service.Mend()
			healed := time.Now()
			reaches(t, "bob")
			reaches(t)
			require.Less(t, time.Since(healed), 8*time.Second)
			eventually(t, "ready", func() bool { return a.Ready(t.Context()) == nil })
		})
	}
	t.Run("connection frozen", func(t *testing.T) {
		service.Hold()
		var own int64
		begun := time.Now()
		for range 50 {
			own = next("bob")
		}
		eventually(t, "the own node is served", func() bool { return a.local.got(id, own) })
		require.Less(t, time.Since(begun), soon)
		eventually(t, "not ready", func() bool { return a.Ready(t.Context()) != nil })
		service.Mend()
		reaches(t, "bob")
	})
	t.Run("queue deleted", func(t *testing.T) {
		withChannel(t, func(ch *amqp091.Channel) {
			_, err := ch.QueueDelete(queues.queue(b.ID()), false, false, false)
			require.NoError(t, err)
		})
		lost := time.Now()
		reaches(t, "bob")
		reaches(t)
		require.Less(t, time.Since(lost), 15*time.Second)
	})
	t.Run("stops in time on a frozen connection", func(t *testing.T) {
		service.Hold()
		next("bob")
		begun := time.Now()
		a.stop()
		require.Less(t, time.Since(begun), 10*time.Second)
		service.Mend()
	})
}

func TestBrokerComesLater(t *testing.T) {
	address, service := proxytest.Before(t, amqpURL())
	service.Cut()
	prefix, client := newPrefix(), realRedis(t)
	forget(t, client, prefix)
	a := startNode(t, Options{Prefix: prefix, Redis: client, Broker: realBroker(t, prefix, address), RedisTimeout: calm})
	id := newConversation()
	a.commit(committed(id, 1))
	eventually(t, "the own node is served", func() bool { return a.local.got(id, 1) })
	require.Error(t, a.Ready(t.Context()))
	service.Mend()
	healed := time.Now()
	a.awaitReady(t)
	require.Less(t, time.Since(healed), 8*time.Second)
}
