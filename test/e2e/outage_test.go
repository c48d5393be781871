//go:build !race

// These tests are not built with -race: when the connection to the broker is cut, the
// race detector reports a data race of the AMQP library (ThreeDotsLabs/watermill#693).

package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
)

// exchangeMessages sends a message from alice to bob and one back. Both get both pushed.
func exchangeMessages(t *testing.T, alice, bob *socket, id domain.ConversationID, round string) {
	t.Helper()
	for _, pair := range [][2]*socket{{alice, bob}, {bob, alice}} {
		a := pair[0].post(id, fmt.Sprint(round, pair[0].user), "x")
		require.Empty(t, a.Code, "%s %s", round, pair[0].user)
		requireDense(t, pair[1].waitEvent(id, a.Seq), 2)
		requireDense(t, pair[0].waitEvent(id, a.Seq), 2)
	}
}

// TestI6RabbitMQCut: without RabbitMQ, sends succeed and the tail of the log delivers, also
// to new members. The fast path recovers without help.
func TestI6RabbitMQCut(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	id := one.direct("alice", "bob")
	alice, bob := connect(t, one.URL, "alice", "phone"), connect(t, two.URL, "bob", "phone")
	exchangeMessages(t, alice, bob, id, "before")
	for round := range 3 {
		c.amqp.Cut()
		exchangeMessages(t, alice, bob, id, fmt.Sprint("cut", round))
		group := one.group("alice", "bob")
		requireDense(t, bob.waitEvent(group, 1), 1)
		c.amqp.Mend()
		exchangeMessages(t, alice, bob, id, fmt.Sprint("mended", round))
	}
	one.AwaitReady()
	two.AwaitReady()
	exchangeMessages(t, alice, bob, id, "after")
}

// TestI6TailAlone: without Redis and RabbitMQ, the tail of the log delivers all events to
// other nodes, including changes of membership.
func TestI6TailAlone(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	id := one.direct("alice", "bob")
	alice, bob := connect(t, one.URL, "alice", "phone"), connect(t, two.URL, "bob", "phone")
	c.amqp.Cut()
	c.redis.Cut()
	exchangeMessages(t, alice, bob, id, "alone")

	group := one.group("alice", "dora")
	carol := connect(t, two.URL, "carol", "phone") // sockets open without Redis
	one.add("alice", group, "carol")
	requireNewConversation(t, carol, group, 2)
	require.Empty(t, alice.post(group, "c", "x").Code)
	requireDense(t, carol.waitEvent(group, 3), 2)
	one.remove("alice", group, "carol")
	carol.waitEvent(group, 4)
}

// TestSessionsEndWithoutRabbitMQ: the feed of the database carries the end of sessions, so
// it is not lost without RabbitMQ.
func TestSessionsEndWithoutRabbitMQ(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	phone, tablet := connect(t, one.URL, "alice", "phone"), connect(t, two.URL, "alice", "tablet")
	c.amqp.Cut()
	one.mustCall(204, serverToken(t), "DELETE", "/v1/users/alice/sessions", nil)
	require.Equal(t, 4401, phone.closed())
	require.Equal(t, 4401, tablet.closed())
}

// TestI6RedisCut: without Redis, nodes broadcast events instead of looking up nodes.
// Sessions are registered again afterwards.
func TestI6RedisCut(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	id := one.direct("alice", "bob")
	alice, bob := connect(t, one.URL, "alice", "phone"), connect(t, two.URL, "bob", "phone")
	c.redis.Cut()
	exchangeMessages(t, alice, bob, id, "cut")
	carol := connect(t, two.URL, "carol", "phone")
	c.redis.Mend()
	one.AwaitReady()
	two.AwaitReady()
	exchangeMessages(t, alice, bob, id, "mended")

	connect(t, one.URL, "carol", "phone")
	require.Equal(t, 4402, carol.closed(), "a session that started without Redis is registered afterwards")
}

// TestRedisFlushed: no message is lost when Redis is flushed.
func TestRedisFlushed(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	id := one.direct("alice", "bob")
	alice, bob := connect(t, one.URL, "alice", "phone"), connect(t, two.URL, "bob", "phone")
	exchangeMessages(t, alice, bob, id, "before")
	c.flushRegistry()
	exchangeMessages(t, alice, bob, id, "flushed")
	eventually.True(t, "both sessions are registered again", func() bool { return c.registered("alice") && c.registered("bob") })
	exchangeMessages(t, alice, bob, id, "after")
}

// TestI1PostgreSQLCut: without PostgreSQL, sends are answered unavailable and sockets stay
// open; afterwards the nodes recover without help. A send that was answered is stored once,
// any other at most once.
func TestI1PostgreSQLCut(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	id := one.direct("alice", "bob")
	alice, bob := connect(t, one.URL, "alice", "phone"), connect(t, two.URL, "bob", "phone")
	exchangeMessages(t, alice, bob, id, "before")

	accepted := map[string]int64{}
	var n int
	send := func() domain.Code {
		n++
		key := fmt.Sprint("c-", n)
		a := alice.post(id, key, "x")
		if a.Code == "" {
			accepted[key] = a.Seq
		}
		return a.Code
	}
	for round := range 3 {
		ctx, stop := context.WithCancel(context.Background())
		go func() {
			defer stop()
			time.Sleep(time.Duration(20*(round+1)) * time.Millisecond) // at a random point of a commit
			c.postgres.Cut()
		}()
		for ctx.Err() == nil {
			send()
		}
		require.Equal(t, domain.CodeUnavailable, send())
		c.postgres.Mend()
		eventually.True(t, "sends succeed again", func() bool { return send() == "" })
	}
	exchangeMessages(t, alice, bob, id, "after")

	events := alice.history(id)
	requireDense(t, events, 1)
	seen := map[string]int64{}
	for _, e := range events[1:] {
		require.NotContains(t, seen, string(e.Sender)+e.ClientMsgID)
		seen[string(e.Sender)+e.ClientMsgID] = e.Seq
	}
	for key, seq := range accepted {
		require.Equal(t, seq, seen["alice"+key])
	}
	require.Equal(t, events[1:], bob.pushed(id), "bob was pushed exactly the log")
}
