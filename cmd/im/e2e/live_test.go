package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// TestTypingOnAnotherNode: who types is seen on every node by the members, and
// forgotten; strangers see nothing.
func TestTypingOnAnotherNode(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	id := one.group("alice", "bob")
	alice, bob := connect(t, one.url, "alice", "phone"), connect(t, two.url, "bob", "phone")
	eve := connect(t, two.url, "eve", "phone")

	alice.write(map[string]any{"type": "typing", "conversation_id": id})
	for _, on := range []bool{true, false} {
		var seen struct {
			ConversationID domain.ConversationID `json:"conversation_id"`
			UserID         domain.UserID         `json:"user_id"`
			On             bool
		}
		bob.next("typing").into(t, &seen)
		require.Equal(t, id, seen.ConversationID)
		require.Equal(t, domain.UserID("alice"), seen.UserID)
		require.Equal(t, on, seen.On)
	}
	require.Equal(t, "pong", eve.request(map[string]any{"type": "ping"}).Type)
	require.NotContains(t, eve.summary(), "typing")
	require.NotContains(t, alice.summary(), "typing")
}
