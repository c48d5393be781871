package users_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

func TestReceipts(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob", "carol")
	n.Post(t, "alice", id, "1", "x")
	n.Post(t, "alice", id, "2", "x") // seq 3
	ack := func(user domain.UserID, device domain.DeviceID, seq int64) domain.Ack {
		return domain.Ack{User: user, Device: device, ConversationID: id, Seq: seq}
	}
	moved, err := n.Deliver(t.Context(), []domain.Ack{ack("bob", "phone", 1), ack("bob", "desk", 2), ack("eve", "phone", 3), ack("carol", "phone", 99)})
	require.NoError(t, err)
	require.ElementsMatch(t, []domain.Receipt{
		{ConversationID: id, UserID: "bob", DeliveredSeq: 2}, {ConversationID: id, UserID: "carol", DeliveredSeq: 3},
	}, moved, "the furthest device, not beyond the head, and members only")
	moved, err = n.Deliver(t.Context(), []domain.Ack{ack("bob", "phone", 2), ack("carol", "phone", 1)})
	require.NoError(t, err)
	require.Empty(t, moved, "a position never moves back")
	_, err = n.MarkRead(t.Context(), storetest.User("bob"), id, 2)
	require.NoError(t, err)

	first, err := n.Receipts(t.Context(), storetest.User("carol"), id, "", 2)
	require.NoError(t, err)
	require.NotNil(t, first.NextCursor)
	second, err := n.Receipts(t.Context(), storetest.User("carol"), id, *first.NextCursor, 2)
	require.NoError(t, err)
	require.Nil(t, second.NextCursor)
	require.Equal(t, []domain.MemberReceipt{
		{UserID: "alice", ReadSeq: 3}, {UserID: "bob", DeliveredSeq: 2, ReadSeq: 2}, {UserID: "carol", DeliveredSeq: 3, ReadSeq: 1},
	}, append(first.Items, second.Items...))

	_, err = n.Receipts(t.Context(), storetest.User("eve"), id, "", 2)
	require.ErrorIs(t, err, domain.ErrNotFound)
	_, err = n.Receipts(t.Context(), storetest.User("carol"), id, "x", 2)
	require.ErrorIs(t, err, domain.ErrCursorInvalid)

	rooms, err := n.SignalScopes(t.Context(), []domain.ConversationID{id, {1}})
	require.NoError(t, err)
	require.Equal(t, map[domain.ConversationID]domain.SignalScope{id: {Members: 3, Receipts: true}}, rooms)
}
