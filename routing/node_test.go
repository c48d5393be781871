package routing

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/proxytest"
)

// TestNode runs wired as a cluster is, and as im dev is.
func TestNode(t *testing.T) {
	t.Run("Redis and RabbitMQ", func(t *testing.T) {
		testNode(t, func(t *testing.T) func(string) *member {
			prefix, client := newPrefix(), realRedis(t)
			forget(t, client, prefix)
			return func(name string) *member {
				return startNode(t, Options{Name: name, Prefix: prefix, Redis: client, Broker: realBroker(t, prefix, amqpURL()), RedisTimeout: calm})
			}
		})
	})
	t.Run("miniredis and in process", func(t *testing.T) {
		testNode(t, func(t *testing.T) func(string) *member {
			prefix, client, broker := newPrefix(), embeddedRedis(t), NewInProcess(testLogger(t))
			return func(name string) *member {
				return startNode(t, Options{Name: name, Prefix: prefix, Redis: client, Broker: broker, RedisTimeout: calm})
			}
		})
	})
}

func testNode(t *testing.T, cluster func(*testing.T) func(string) *member) {
	three := func(t *testing.T) (a, b, c *member) {
		start := cluster(t)
		a, b, c = start("a"), start("b"), start("c")
		for _, m := range []*member{a, b, c} {
			m.awaitReady(t)
		}
		return a, b, c
	}
	t.Run("exactly the nodes with members are told, as it was committed", func(t *testing.T) {
		a, b, c := three(t)
		b.connect(t, "bob", 1)
		c.connect(t, "carol", 2)
		forBob, forBoth, forNobody := newConversation(), newConversation(), newConversation()
		want := committed(forBob, 1, "alice", "bob")
		release := a.gather(t)
		a.commit(want, committed(forBoth, 1, "bob", "carol"), committed(forNobody, 1, "dave"))
		release()
		eventually(t, "all arrived", func() bool {
			return b.local.got(forBob, 1) && b.local.got(forBoth, 1) && c.local.got(forBoth, 1) && a.local.got(forNobody, 1)
		})
		require.Equal(t, want.Events, b.local.pushed[0].Events)
		require.Nil(t, b.local.pushed[0].Audience)
		require.Empty(t, c.local.seqs(forBob))
		require.Empty(t, b.local.seqs(forNobody))
		eventually(t, "counted", func() bool { return a.Stats().Dispatched == 4 })
		require.EqualValues(t, 2, a.Stats().Sent, "one message a node a batch")
		require.Zero(t, a.Stats().Broadcast)
		require.Equal(t, []int64{1}, a.local.seqs(forBob), "the own node once")
	})
	t.Run("a large conversation goes to all, and once to the own node", func(t *testing.T) {
		a, b, c := three(t)
		id := newConversation()
		a.commit(committed(id, 1))
		eventually(t, "all arrived", func() bool { return b.local.got(id, 1) && c.local.got(id, 1) })
		after := newConversation()
		a.commit(committed(after, 1)) // a's own broadcast would have come before
		eventually(t, "all arrived", func() bool { return b.local.got(after, 1) && a.local.got(after, 1) })
		require.Equal(t, []int64{1}, a.local.seqs(id))
		require.Zero(t, a.Stats().Delivered)
	})
	t.Run("order of each conversation is kept under load", func(t *testing.T) {
		a, b, _ := three(t)
		b.connect(t, "bob", 1)
		const conversations, events = 8, 250
		ids := make([]domain.ConversationID, conversations)
		var load sync.WaitGroup
		for i := range ids {
			ids[i] = newConversation()
			load.Go(func() {
				for seq := int64(1); seq <= events; seq++ {
					audience := []domain.UserID{"bob"}
					switch {
					case i == 0:
						audience = nil // too many to name
					case i == 1 && seq%10 == 0:
						audience = slices.Repeat(audience, atOnce+1) // too many to be served at once
					}
					a.commit(committed(ids[i], seq, audience...))
				}
			})
		}
		load.Wait()
		for _, id := range ids {
			eventually(t, "all arrived", func() bool { return b.local.got(id, events) && a.local.got(id, events) })
			for _, m := range []*member{a, b} {
				for i, seq := range m.local.seqs(id) {
					require.EqualValues(t, i+1, seq)
				}
			}
		}
		require.Zero(t, a.Stats().Dropped)
	})
	t.Run("signals reach the user's nodes, the own one included, and no other", func(t *testing.T) {
		a, b, c := three(t)
		a.connect(t, "bob", 1)
		b.connect(t, "bob", 2)
		a.Signal(domain.UserFrame{User: "bob", Frame: json.RawMessage(`{"type":"notice"}`)})
		eventually(t, "both nodes are told", func() bool {
			return len(a.local.frames("bob")) == 1 && len(b.local.frames("bob")) == 1
		})
		c.Signal(domain.EndSessions{User: "bob", Below: 7, Code: 4401})
		eventually(t, "ended", func() bool { return a.local.ended()[""] == 4401 && b.local.ended()[""] == 4401 })
		require.Empty(t, c.local.frames("bob"))
		require.Equal(t, []string{`{"type":"notice"}`}, b.local.frames("bob"))
	})
	t.Run("signals for the members of a conversation reach every node once", func(t *testing.T) {
		a, b, c := three(t)
		want := domain.ConversationFrame{Conversation: newConversation(), From: "alice", Frame: json.RawMessage(`{"type":"typing"}`)}
		a.Signal(want)
		for _, m := range []*member{a, b, c} {
			eventually(t, "told", func() bool { return len(m.local.frames("alice")) > 0 })
			require.Equal(t, []domain.Signal{want}, m.local.signals)
		}
	})
	t.Run("signals find who came this very moment", func(t *testing.T) {
		a, b, _ := three(t)
		users := map[domain.UserID]struct{}{"bob": {}}
		for range 20 {
			_, err := a.registry.lookups.nodes(t.Context(), users) // absence is remembered now
			require.NoError(t, err)
			e := b.connect(t, "bob", 1)
			before := len(b.local.frames("bob"))
			a.Signal(domain.UserFrame{User: "bob", Frame: json.RawMessage(`{"type":"notice"}`)})
			eventually(t, "told", func() bool { return len(b.local.frames("bob")) > before })
			require.NoError(t, b.Unregister(t.Context(), e))
		}
	})
	t.Run("an event larger than a message travels", func(t *testing.T) {
		a, b, _ := three(t)
		b.connect(t, "bob", 1)
		id := newConversation()
		var batch []domain.Committed
		for seq := range int64(5) {
			c := committed(id, seq+1, "bob")
			c.Events[0].Body = json.RawMessage(`"` + strings.Repeat("x", messageBytes/2+int(seq)*messageBytes/4) + `"`)
			batch = append(batch, c)
		}
		a.commit(batch...)
		eventually(t, "all arrived", func() bool { return len(b.local.seqs(id)) == 5 })
		require.Equal(t, []int64{1, 2, 3, 4, 5}, b.local.seqs(id))
		require.Equal(t, batch[4].Events[0].Body, b.local.pushed[4].Events[0].Body)
	})
	t.Run("a panic in the hub costs one batch", func(t *testing.T) {
		a, b, _ := three(t)
		b.connect(t, "bob", 1)
		bad, good := newConversation(), newConversation()
		b.local.hook(func(c domain.Committed) {
			if c.ConversationID == bad {
				panic("hub")
			}
		})
		a.commit(committed(bad, 1, "bob"))
		eventually(t, "the panic is counted", func() bool { return b.Stats().Panics == 1 })
		a.commit(committed(good, 1, "bob"))
		eventually(t, "the next arrives", func() bool { return b.local.got(good, 1) })
		require.Equal(t, []int64{1}, b.local.seqs(bad), "not repeated")
	})
	t.Run("malformed and empty messages are counted and dropped", func(t *testing.T) {
		a, b, _ := three(t)
		b.connect(t, "bob", 1)
		for _, payload := range []string{"", "{}", "\x01", "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\xff"} {
			require.NoError(t, a.broker.Publish(b.ID(), say(payload)))
		}
		id := newConversation()
		a.commit(committed(id, 1, "bob"))
		eventually(t, "the good one arrives", func() bool { return b.local.got(id, 1) })
		eventually(t, "the bad ones are counted", func() bool { return b.Stats().Malformed == 4 })
	})
	t.Run("what does not fit is dropped and counted, and nobody waits", func(t *testing.T) {
		a, b, _ := three(t)
		b.connect(t, "bob", 1)
		hold := make(chan struct{})
		a.local.hook(func(domain.Committed) { <-hold })
		id := newConversation()
		c := committed(id, 1) // too many to be served at once
		c.Events[0].Body = json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`)
		for range 2 * committedBytes >> 20 {
			a.commit(c)
		}
		require.GreaterOrEqual(t, a.Stats().Dropped, uint64(committedBytes>>20-2))
		eventually(t, "other nodes do not suffer from the slow hub", func() bool { return b.local.got(id, 1) })
		close(hold)
	})
}

func TestNodeStartsAlone(t *testing.T) {
	t.Run("without Redis and RabbitMQ it serves itself, says so, and stops at once", func(t *testing.T) {
		address, down := proxytest.Before(t, redisURL())
		down.Cut()
		broker, err := NewAMQP("amqp://guest:guest@"+down.Addr(), newPrefix(), testLogger(t))
		require.NoError(t, err)
		m := startNode(t, Options{Prefix: newPrefix(), Redis: openRedis(t, address), Broker: broker})
		begun := time.Now()
		m.connect(t, "alice", 1)
		require.Less(t, time.Since(begun), soon)
		id := newConversation()
		m.commit(committed(id, 1, "alice"))
		eventually(t, "own sessions are served", func() bool { return m.local.got(id, 1) })
		require.ErrorIs(t, m.Ready(t.Context()), domain.ErrUnavailable)
		begun = time.Now()
		m.stop()
		require.Less(t, time.Since(begun), 5*time.Second)
	})
	t.Run("something is required", func(t *testing.T) {
		_, err := NewNode(Options{})
		require.Error(t, err)
	})
}

// stuckBroker is one whose connection is half open.
type stuckBroker struct {
	*InProcess
	release chan struct{}
}

func (b *stuckBroker) Publish(domain.NodeID, ...*message.Message) error {
	<-b.release
	return nil
}

func TestStuckBroker(t *testing.T) {
	w := newTown(t, realRedis)
	stuck := &stuckBroker{w.broker, make(chan struct{})}
	a := startNode(t, Options{Prefix: w.prefix, Redis: w.client, Broker: stuck, RedisTimeout: calm})
	a.awaitReady(t)
	defer close(stuck.release)
	id := newConversation()
	c := committed(id, 1)
	c.Events[0].Body = json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`)
	for n := 1; n <= 2*committedBytes>>20; n++ {
		a.commit(c)
		eventually(t, "the own node is served", func() bool { return len(a.local.seqs(id)) == n })
	}
	require.GreaterOrEqual(t, a.Stats().Dropped, uint64(committedBytes>>20-2), "the rest is the tail's")
	a.Signal(domain.UserFrame{User: "alice", Frame: json.RawMessage(`{}`)})
	eventually(t, "signals too", func() bool { return len(a.local.frames("alice")) == 1 })
}

// TestRedisOutage: broadcast instead of lookup, and all sessions registered
// again within 3 s of its return.
func TestRedisOutage(t *testing.T) {
	address, service := proxytest.Before(t, redisURL())
	shared := realRedis(t)
	w := &town{client: shared, prefix: newPrefix(), broker: NewInProcess(testLogger(t))}
	forget(t, shared, w.prefix)
	start := func(name string) *member {
		return startNode(t, Options{Name: name, Prefix: w.prefix, Redis: openRedis(t, address), Broker: w.broker})
	}
	a, b := start("a"), start("b")
	a.awaitReady(t)
	b.awaitReady(t)
	before := b.connect(t, "bob", 1)
	id, seq := newConversation(), int64(0)
	next := func() int64 {
		seq++
		a.commit(committed(id, seq, "bob"))
		return seq
	}
	for _, outage := range []struct {
		name      string
		cut, heal func()
	}{
		{"cut", service.Cut, service.Mend},
		{"frozen", service.Hold, service.Mend},
	} {
		t.Run(outage.name, func(t *testing.T) {
			outage.cut()
			broadcast := a.Stats().Broadcast
			arrived := next()
			begun := time.Now()
			eventually(t, "told by broadcast", func() bool { return b.local.got(id, arrived) })
			require.Less(t, time.Since(begun), soon)
			eventually(t, "more by broadcast", func() bool { next(); return a.Stats().Broadcast >= broadcast+3 })
			eventually(t, "not ready", func() bool { return a.Ready(t.Context()) != nil && b.Ready(t.Context()) != nil })
			begun = time.Now()
			b.registry.lookups.breaker.close() // as if nobody had asked for a while
			during := b.connect(t, "bob", 100+seq)
			b.local.leave(before)
			b.registry.lookups.breaker.close()
			require.NoError(t, b.Unregister(t.Context(), before))
			require.Less(t, time.Since(begun), soon)

			outage.heal()
			healed := time.Now()
			eventually(t, "registered again, and the one that left is not", func() bool {
				entries := w.entries(t, "bob")
				return len(entries) == 1 && entries[during.Session] == b.ID()
			})
			require.Less(t, time.Since(healed), 12*time.Second)
			eventually(t, "ready", func() bool { return a.Ready(t.Context()) == nil && b.Ready(t.Context()) == nil })
			before = during
			eventually(t, "lookups again", func() bool {
				broadcast, sent := a.Stats().Broadcast, a.Stats().Sent
				arrived := next()
				eventually(t, "told", func() bool { return b.local.got(id, arrived) })
				return a.Stats().Broadcast == broadcast && a.Stats().Sent > sent
			})
		})
	}
}

// TestRedisFlushed: everything in Redis lost at once.
func TestRedisFlushed(t *testing.T) {
	server := startRedisServer(t)
	w := &town{client: openRedis(t, server.url()), prefix: newPrefix(), broker: NewInProcess(testLogger(t))}
	a, b := w.node(t, "a"), w.node(t, "b")
	e := b.connect(t, "bob", 1)
	for what, lose := range map[string]func(){
		"flushed": func() { require.NoError(t, w.client.FlushAll(t.Context()).Err()) },
		"killed and empty": func() {
			server.kill(t)
			server.start(t)
		},
	} {
		t.Run(what, func(t *testing.T) {
			lose()
			lost := time.Now()
			eventually(t, "registered again", func() bool {
				value, err := w.client.HGet(t.Context(), w.prefix+":user:bob", string(e.Session)).Result()
				return err == nil && strings.HasPrefix(value, string(b.ID())+" ")
			})
			require.Less(t, time.Since(lost), 12*time.Second)
			id, seq := newConversation(), int64(0)
			eventually(t, "delivered by lookup", func() bool {
				broadcast := a.Stats().Broadcast
				seq++
				a.commit(committed(id, seq, "bob"))
				for since := time.Now(); !b.local.got(id, seq) && time.Since(since) < time.Second; {
					time.Sleep(5 * time.Millisecond) // it may have gone to an id that b has no more
				}
				return b.local.got(id, seq) && a.Stats().Broadcast == broadcast
			})
		})
	}
}

func TestLookups(t *testing.T) {
	w := newTown(t, realRedis)
	a, b := w.node(t, "a"), w.node(t, "b")
	b.connect(t, "bob", 1)
	t.Run("are remembered for a moment, absence too", func(t *testing.T) {
		asked := a.Stats().Lookups
		users := map[domain.UserID]struct{}{"bob": {}, "nobody": {}}
		begun := time.Now()
		for range 20 {
			places, err := a.registry.lookups.nodes(t.Context(), users)
			require.NoError(t, err)
			require.Equal(t, map[domain.UserID][]domain.NodeID{"bob": {b.ID()}}, places)
		}
		rounds := uint64(time.Since(begun)/remembered) + 1
		require.LessOrEqual(t, a.Stats().Lookups-asked, 2*rounds)
		eventually(t, "forgotten", func() bool {
			_, err := a.registry.lookups.nodes(t.Context(), users)
			return err == nil && a.Stats().Lookups-asked > 2*rounds
		})
	})
	t.Run("rest after a failure, and are back when the registry is", func(t *testing.T) {
		l := a.registry.lookups
		users := map[domain.UserID]struct{}{"somebody": {}}
		eventually(t, "resting", func() bool {
			l.breaker.trip() // the registry may close it at once, and time does
			_, err := l.nodes(t.Context(), users)
			return errors.Is(err, errResting)
		})
		eventually(t, "asked again", func() bool { _, err := l.nodes(t.Context(), users); return err == nil })
	})
	t.Run("memory is bounded", func(t *testing.T) {
		l := a.registry.lookups
		now := time.Now()
		for i := range 4 * maxRemembered / 100 {
			users := make([]domain.UserID, 100)
			for j := range users {
				users[j] = domain.UserID(fmt.Sprintf("u%d", i*100+j))
			}
			l.remember(users, nil, now)
		}
		require.LessOrEqual(t, len(l.now)+len(l.before), 2*maxRemembered+100)
	})
}

func TestOpenRedis(t *testing.T) {
	for _, address := range []string{"", "http://user:secret@host", "redis://user:secret@host:x/", "://secret"} {
		_, err := OpenRedis(address)
		require.Error(t, err, address)
		require.NotContains(t, err.Error(), "secret")
	}
	client, err := OpenRedis("redis://127.0.0.1:1?addr=127.0.0.1:2")
	require.NoError(t, err)
	defer func() { _ = client.Close() }()
	require.IsType(t, (*redis.ClusterClient)(nil), client)
}
