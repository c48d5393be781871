package postgres_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"im/test/leaktest"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestSendAndRead(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	e := n.Post(t, "alice", id, "m1", "hello")
	require.Equal(t, int64(2), e.Seq)
	again := storetest.Wait(t, n.Send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: "m1", Content: storetest.Text("hello")}))
	require.NoError(t, again.Err)
	require.True(t, again.Duplicate)
	require.Equal(t, e, again.Event)
	events := n.Log(t, id)
	require.Len(t, events, 2)
	require.Equal(t, e, events[1])
	v, err := n.Conversation(t.Context(), storetest.User("bob"), id, "")
	require.NoError(t, err)
	require.EqualValues(t, 1, v.UnreadCount)
	require.Equal(t, "hello", func() string {
		var c struct{ Text string }
		require.NoError(t, json.Unmarshal(v.LastMessage.Content, &c))
		return c.Text
	}())
	page, err := n.Sync(t.Context(), domain.SyncQuery{User: "bob", Limit: 10, TimelineLimit: 5})
	require.NoError(t, err)
	require.True(t, page.Done)
	require.Len(t, page.Conversations, 1)
	require.Len(t, page.Conversations[0].Events, 2)
}
