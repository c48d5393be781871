package e2e

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestI6NodeKilled: after a node is killed with SIGKILL, its user connects to the other
// node and gets every event once.
func TestI6NodeKilled(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	alice, bob := connect(t, one.url, "alice", "phone"), connect(t, two.url, "bob", "phone")
	var first sent
	alice.request(map[string]any{"type": "send", "to": "bob", "client_msg_id": "c-0", "content": text("x")}).into(t, &first)
	id := first.ConversationID
	bob.waitEvent(id, 2)
	b := bob.post(id, "b-0", "live both ways")
	alice.waitEvent(id, b.Seq)

	two.signal(syscall.SIGKILL)
	for n := range 10 {
		require.Empty(t, alice.post(id, fmt.Sprint("c-", n+1), "x").Code)
	}
	bob = connect(t, one.url, "bob", "phone")
	views, _ := bob.sync("", 10)
	require.EqualValues(t, 13, views[id].HeadSeq)
	requireDense(t, bob.history(id), 1)
	a := alice.post(id, "live", "x")
	bob.waitEvent(id, a.Seq)
}

// TestI9StoppedNodeDelaysNoOther: a node is paused (SIGSTOP) while it appends. Another
// node appends to the same conversation without waiting for the locks of the first. When
// the first node continues, it does no harm.
func TestI9StoppedNodeDelaysNoOther(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	id := two.direct("alice", "bob")
	alice, bob := connect(t, one.url, "alice", "phone"), connect(t, two.url, "bob", "phone")

	const burst = 50
	for round := range 5 {
		var requests []string
		for n := range burst {
			requests = append(requests, alice.start(map[string]any{
				"type": "send", "conversation_id": id, "client_msg_id": fmt.Sprint(round, "-", n), "content": text("x"),
			}))
		}
		one.signal(syscall.SIGSTOP)
		for n := range 5 {
			require.Empty(t, bob.post(id, fmt.Sprint(round, "-", n), "y").Code, "the send does not wait for the stopped node")
		}
		one.signal(syscall.SIGCONT)
		for _, request := range requests {
			f := alice.wait("an answer", func(f frame) bool { return f.ID == request })
			require.Equal(t, "sent", f.Type, "%s", f.raw)
		}
	}
	const head = 1 + 5*(burst+5)
	events := bob.history(id)
	require.Len(t, events, head)
	requireDense(t, events, 1)
	requireDense(t, bob.waitEvent(id, head), 2)
	requireDense(t, alice.waitEvent(id, head), 2)
}

// TestDrain: on SIGTERM a node asks its clients to reconnect elsewhere, finishes its work
// and exits with 0.
func TestDrain(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	id := one.direct("alice", "bob")
	alice := connect(t, one.url, "alice", "phone")
	require.Empty(t, alice.post(id, "c", "x").Code)
	one.signal(syscall.SIGTERM)
	var drain struct {
		After int `json:"reconnect_after_ms"`
	}
	alice.next("drain").into(t, &drain)
	require.Positive(t, drain.After)
	require.Contains(t, []int{4000, 1001}, alice.closed())
	require.NoError(t, one.wait(), "exit 0")
	require.Len(t, connect(t, two.url, "alice", "phone").history(id), 2)
}
