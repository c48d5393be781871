package client_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"im/client"
	"im/test/eventually"
)

// TestOrderOfConversations: the list is in the same order at once, after a restart of the
// client, and on the server: by messages and the user's own joinings alone.
func TestOrderOfConversations(t *testing.T) {
	url := startNode(t)
	ctx := t.Context()
	alice, bob := startClient(t, url, "alice", nil), startClient(t, url, "bob", nil)
	var ids []client.ConversationID
	for range 3 {
		group, err := alice.CreateGroup(ctx, client.NewGroup{Members: []client.UserID{"carol"}})
		require.NoError(t, err)
		ids = append(ids, group.ConversationID)
	}
	post := func(from *client.Client, i int) int64 {
		sent, err := from.Send(ctx, client.Post{ConversationID: ids[i], Content: client.Text("hello")})
		require.NoError(t, err)
		return sent.Seq
	}
	seqs := []int64{post(alice, 0), post(alice, 1), post(alice, 2)}
	requireOrder := func(want ...int) {
		t.Helper()
		var order []client.ConversationID
		for _, i := range want {
			order = append(order, ids[i])
		}
		orderOf := func(list []client.Conversation) (order []client.ConversationID) {
			for _, c := range list {
				order = append(order, c.ConversationID)
			}
			return order
		}
		var page struct{ Items []client.Conversation }
		require.NoError(t, bob.Do(ctx, http.MethodGet, "/conversations", nil, &page))
		require.Equal(t, order, orderOf(page.Items), "the server's list")
		heads := map[client.ConversationID]int64{}
		for _, c := range page.Items {
			heads[c.ConversationID] = c.HeadSeq
		}
		eventually.True(t, "every event has been pushed", func() bool {
			for id, head := range heads {
				if c, ok := bob.Conversation(id); !ok || c.HeadSeq < head {
					return false
				}
			}
			return true
		})
		require.Equal(t, order, orderOf(bob.Conversations()), "at once")
		require.Equal(t, order, orderOf(startClient(t, url, "bob", nil).Conversations()), "after a restart")
	}

	// Joining counts, though the messages of the group are older.
	require.NoError(t, alice.AddMembers(ctx, ids[2], "bob"))
	require.NoError(t, alice.AddMembers(ctx, ids[0], "bob"))
	require.NoError(t, alice.AddMembers(ctx, ids[1], "bob"))
	requireOrder(1, 0, 2)

	// Changes of what is there do not.
	for _, change := range []func(context.Context) error{
		func(ctx context.Context) error { return bob.React(ctx, ids[2], seqs[2], "👍") },
		func(ctx context.Context) error { return alice.Edit(ctx, ids[0], seqs[0], client.Text("edited")) },
		func(ctx context.Context) error { return alice.Pin(ctx, ids[2], seqs[2]) },
		func(ctx context.Context) error {
			return alice.UpdateGroup(ctx, ids[2], client.GroupChange{Title: new("Other")})
		},
		func(ctx context.Context) error { return alice.AddMembers(ctx, ids[2], "dave") },
		func(ctx context.Context) error { return alice.Recall(ctx, ids[0], seqs[0], "") },
	} {
		require.NoError(t, change(ctx))
	}
	requireOrder(1, 0, 2)

	post(alice, 2)
	post(bob, 0)
	requireOrder(0, 2, 1)
}
