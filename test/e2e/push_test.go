package e2e

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// TestI4AscendingWithoutAHole: sockets that connect at different times to two nodes get the
// events of a busy conversation without a hole, as they are in the log.
func TestI4AscendingWithoutAHole(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	id := nodes[0].group("alice", "bob", "carol")
	alice := connect(t, nodes[0].URL, "alice", "phone")
	bob := connect(t, nodes[1].URL, "bob", "phone")

	const messages = 150
	readers := []*socket{alice, bob}
	for n := range messages {
		sender := readers[n%2]
		require.Empty(t, sender.post(id, fmt.Sprint("c-", n), "x").Code)
		if n%50 == 25 {
			readers = append(readers[:2:2], append([]*socket{
				connect(t, nodes[n/50%2].URL, "carol", fmt.Sprint("device-", n)),
			}, readers[2:]...)...)
		}
	}
	const head = messages + 1
	all := alice.history(id)
	require.Len(t, all, head)
	for _, s := range readers {
		events := s.waitEvent(id, head)
		requireDense(t, events, events[0].Seq)
		require.Equal(t, all[events[0].Seq-1:], events, "each pushed event equals the stored one (I5)")
	}
}

// TestI6NewMemberGetsEverything: a member who is added while connected gets the
// conversation frame, then the joining, then each later event.
func TestI6NewMemberGetsEverything(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	id := nodes[0].group("alice", "bob")
	alice := connect(t, nodes[0].URL, "alice", "phone")
	carol := connect(t, nodes[1].URL, "carol", "phone")
	require.Empty(t, alice.post(id, "before", "x").Code)

	nodes[0].add("alice", id, "carol")
	requireNewConversation(t, carol, id, 3)
	require.Empty(t, alice.post(id, "after", "x").Code)
	requireDense(t, carol.waitEvent(id, 4), 3)
	require.Empty(t, carol.post(id, "mine", "x").Code, "the new member may send")
	requireDense(t, carol.waitEvent(id, 5), 3)

	nodes[1].remove("alice", id, "carol")
	events := carol.waitEvent(id, 6)
	require.Equal(t, domain.MemberRemoved, events[len(events)-1].Type)
	require.Empty(t, alice.post(id, "without", "x").Code)
	alice.waitEvent(id, 7)
	require.Equal(t, domain.CodeNotFound, carol.post(id, "late", "x").Code)
	require.Len(t, carol.pushed(id), 4, "the removal is the last event that carol gets")
}

// requireNewConversation waits for the frame of a new conversation, and asserts that no
// event came before it and that its head is at least seq.
func requireNewConversation(t *testing.T, s *socket, id domain.ConversationID, seq int64) {
	t.Helper()
	var pushed struct{ Conversation domain.ConversationView }
	s.next("conversation").into(t, &pushed)
	require.Equal(t, id, pushed.Conversation.ConversationID)
	require.GreaterOrEqual(t, pushed.Conversation.HeadSeq, seq)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.frames {
		if f.Type == "conversation" {
			return
		}
		require.NotEqual(t, "event", f.Type, "frame %d came before the conversation: %s", i, f.raw)
	}
}

// TestI6NewConversationReachesAllSessions: every session of every member is notified of a
// new conversation, including those of the creator.
func TestI6NewConversationReachesAllSessions(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	var sessions []*socket
	for i, user := range []domain.UserID{"alice", "alice", "bob", "bob"} {
		sessions = append(sessions, connect(t, nodes[i%2].URL, user, fmt.Sprint("device-", i)))
	}
	id := nodes[0].group("alice", "bob")
	for _, s := range sessions {
		requireNewConversation(t, s, id, 1)
		requireDense(t, s.waitEvent(id, 1), 1)
	}
	require.Empty(t, sessions[2].post(id, "c", "x").Code)
	for _, s := range sessions {
		requireDense(t, s.waitEvent(id, 2), 1)
	}
}
