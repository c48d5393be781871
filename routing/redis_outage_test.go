package routing

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/routing/broker"
	"im/test/eventually"
	"im/test/proxytest"
	"im/test/redistest"
)

func TestNodeWithoutRedisAndRabbitMQServesItself(t *testing.T) {
	address, down := proxytest.Before(t, redistest.URL())
	down.Cut()
	b, err := broker.NewAMQP("amqp://guest:guest@"+down.Addr(), redistest.NewPrefix(), testLogger(t))
	require.NoError(t, err)
	cl := &cluster{client: redistest.Open(t, address), prefix: redistest.NewPrefix()}
	n := cl.run(t, Options{Broker: b})
	begun := time.Now()
	n.connect(t, "alice", 1)
	require.Less(t, time.Since(begun), promptly)
	id := newConversation()
	n.commit(committed(id, 1, "alice"))
	eventually.True(t, "own sessions are served", func() bool { return n.hub.got(id, 1) })
	require.ErrorIs(t, n.Ready(t.Context()), domain.ErrUnavailable)
	begun = time.Now()
	n.stop()
	require.Less(t, time.Since(begun), 5*time.Second)
}

// TestRedisOutage: without Redis, commits are broadcast. When it is back, they go to
// the nodes with members again.
func TestRedisOutage(t *testing.T) {
	address, proxy := proxytest.Before(t, redistest.URL())
	cl := inProcessCluster(t, redistest.Shared(t))
	a := cl.run(t, Options{Name: "a", Redis: redistest.Open(t, address)})
	b := cl.run(t, Options{Name: "b", Redis: redistest.Open(t, address)})
	a.awaitReady(t)
	b.awaitReady(t)
	b.connect(t, "bob", 1)
	id, seq := newConversation(), int64(0)
	next := func() int64 {
		seq++
		a.commit(committed(id, seq, "bob"))
		return seq
	}
	for _, outage := range []struct {
		name  string
		begin func()
	}{{"connection cut", proxy.Cut}, {"connection frozen", proxy.Hold}} {
		t.Run(outage.name, func(t *testing.T) {
			outage.begin()
			broadcast := a.Stats().Broadcast
			sent := next()
			begun := time.Now()
			eventually.True(t, "it is broadcast", func() bool { return b.hub.got(id, sent) })
			require.Less(t, time.Since(begun), promptly)
			eventually.True(t, "more are broadcast", func() bool { next(); return a.Stats().Broadcast >= broadcast+3 })
			eventually.True(t, "not ready", func() bool { return a.Ready(t.Context()) != nil && b.Ready(t.Context()) != nil })

			proxy.Mend()
			a.awaitReady(t)
			b.awaitReady(t)
			eventually.True(t, "lookups again", func() bool {
				broadcast, messages := a.Stats().Broadcast, a.Stats().Sent
				sent := next()
				eventually.True(t, "it arrived", func() bool { return b.hub.got(id, sent) })
				return a.Stats().Broadcast == broadcast && a.Stats().Sent > messages
			})
		})
	}
}

// TestRedisLosesItsData: everything in Redis is lost at once.
func TestRedisLosesItsData(t *testing.T) {
	server := redistest.StartServer(t)
	cl := inProcessCluster(t, redistest.Open(t, server.URL()))
	a, b := cl.start(t, "a"), cl.start(t, "b")
	e := b.connect(t, "bob", 1)
	for what, lose := range map[string]func(){
		"flushed": func() { require.NoError(t, cl.client.FlushAll(t.Context()).Err()) },
		"killed and empty": func() {
			server.Kill(t)
			server.Start(t)
		},
	} {
		t.Run(what, func(t *testing.T) {
			lose()
			lost := time.Now()
			eventually.True(t, "the session is registered again", func() bool {
				value, err := cl.client.HGet(t.Context(), cl.prefix+":user:bob", string(e.Session)).Result()
				return err == nil && strings.HasPrefix(value, string(b.ID())+" ")
			})
			require.Less(t, time.Since(lost), 12*time.Second)
			id, seq := newConversation(), int64(0)
			eventually.True(t, "a commit arrived by a lookup", func() bool {
				broadcast := a.Stats().Broadcast
				seq++
				a.commit(committed(id, seq, "bob"))
				for since := time.Now(); !b.hub.got(id, seq) && time.Since(since) < time.Second; {
					time.Sleep(5 * time.Millisecond) // it may have gone to the former id of b
				}
				return b.hub.got(id, seq) && a.Stats().Broadcast == broadcast
			})
		})
	}
}
