//go:build !race

// The AMQP client has a data race of its own during an outage (on its field connected),
// which the race detector would report here.

package routing

import (
	"slices"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/routing/broker"
	"im/test/amqptest"
	"im/test/eventually"
	"im/test/proxytest"
	"im/test/redistest"
)

// TestBrokerOutage: commits go on without RabbitMQ, the own node is served at once, and
// other nodes are reached again by themselves when it is back.
func TestBrokerOutage(t *testing.T) {
	address, proxy := proxytest.Before(t, amqptest.URL())
	cl := newCluster(t, redistest.Shared(t), func(prefix string) broker.Broker { return newAMQP(t, prefix, address) })
	a, b := cl.start(t, "a"), cl.start(t, "b")
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
		eventually.True(t, "a commit arrived", func() bool {
			next(audience...)
			time.Sleep(10 * time.Millisecond)
			return slices.ContainsFunc(b.hub.seqs(id), func(arrived int64) bool { return arrived >= first })
		})
	}
	ready := func() error { return a.Ready(t.Context()) }
	reaches(t, "bob")

	for range 2 {
		t.Run("connection cut", func(t *testing.T) {
			proxy.Cut()
			eventually.True(t, "it is noticed", func() bool { next("bob"); return a.Stats().PublishErrors > 0 && ready() != nil })
			own := next("bob")
			eventually.True(t, "the own node is served", func() bool { return a.hub.got(id, own) })
			time.Sleep(2 * time.Second) // until the pauses between attempts are longest
			proxy.Mend()
			healed := time.Now()
			reaches(t, "bob")
			reaches(t)
			require.Less(t, time.Since(healed), 8*time.Second)
			eventually.NoError(t, "the node is ready", ready)
		})
	}
	t.Run("connection frozen", func(t *testing.T) {
		proxy.Hold()
		var own int64
		begun := time.Now()
		for range 50 {
			own = next("bob")
		}
		eventually.True(t, "the own node is served", func() bool { return a.hub.got(id, own) })
		require.Less(t, time.Since(begun), promptly)
		eventually.True(t, "not ready", func() bool { return ready() != nil })
		proxy.Mend()
		reaches(t, "bob")
	})
	t.Run("queue deleted", func(t *testing.T) {
		amqptest.Channel(t, func(ch *amqp091.Channel) {
			_, err := ch.QueueDelete(cl.prefix+".node."+string(b.ID()), false, false, false)
			require.NoError(t, err)
		})
		lost := time.Now()
		reaches(t, "bob")
		reaches(t)
		require.Less(t, time.Since(lost), 15*time.Second)
	})
	t.Run("stops in time on a frozen connection", func(t *testing.T) {
		proxy.Hold()
		next("bob")
		begun := time.Now()
		a.stop()
		require.Less(t, time.Since(begun), 10*time.Second)
		proxy.Mend()
	})
}

func TestBrokerComesLater(t *testing.T) {
	address, proxy := proxytest.Before(t, amqptest.URL())
	proxy.Cut()
	cl := newCluster(t, redistest.Shared(t), func(prefix string) broker.Broker { return newAMQP(t, prefix, address) })
	a := cl.run(t, Options{RedisTimeout: stableRedis})
	id := newConversation()
	a.commit(committed(id, 1))
	eventually.True(t, "the own node is served", func() bool { return a.hub.got(id, 1) })
	require.Error(t, a.Ready(t.Context()))
	proxy.Mend()
	healed := time.Now()
	a.awaitReady(t)
	require.Less(t, time.Since(healed), 8*time.Second)
}
