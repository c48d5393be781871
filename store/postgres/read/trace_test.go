package read_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

func TestTrace(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob", "carol", "dave")
	e := n.Post(t, "alice", id, "1", "x")
	n.Post(t, "alice", id, "2", "x")
	ack := func(device domain.DeviceID, seq int64) domain.Ack {
		return domain.Ack{User: "bob", Device: device, ConversationID: id, Seq: seq}
	}
	acks := []domain.Ack{ack("desk", e.Seq-1), ack("phone", e.Seq)}
	other := n.Group(t, "bob")
	require.NoError(t, n.Acknowledge(t.Context(), append(acks, domain.Ack{User: "bob", Device: "other", ConversationID: other, Seq: 1})))
	_, err := n.Deliver(t.Context(), acks)
	require.NoError(t, err)
	_, err = n.MarkRead(t.Context(), storetest.User("carol"), id, e.Seq)
	require.NoError(t, err)
	_, err = n.Chat.RemoveMember(t.Context(), storetest.User("dave"), id, "dave")
	require.NoError(t, err)

	first, err := n.Trace(t.Context(), id, e.Seq, "", 2)
	require.NoError(t, err)
	require.Equal(t, "test", *first.Committed.Node)
	require.Equal(t, e.At, first.Committed.At)
	require.EqualValues(t, "alice", first.Sender)
	require.Nil(t, first.Routed)
	second, err := n.Trace(t.Context(), id, e.Seq, *first.NextCursor, 2)
	require.NoError(t, err)
	require.Nil(t, second.NextCursor)
	require.Equal(t, []domain.TraceMember{
		{UserID: "alice", Read: true, ReadSeq: e.Seq + 1, Devices: []domain.TraceDevice{}},
		{UserID: "bob", Delivered: true, DeliveredSeq: e.Seq, ReadSeq: 1, Devices: []domain.TraceDevice{
			{DeviceID: "desk", AckedSeq: e.Seq - 1}, {DeviceID: "phone", AckedSeq: e.Seq, Acked: true},
		}},
		{UserID: "carol", Read: true, ReadSeq: e.Seq, Devices: []domain.TraceDevice{}},
	}, append(first.Items, second.Items...), "former members are not listed")

	for _, seq := range []int64{1, 99} {
		_, err = n.Trace(t.Context(), id, seq, "", 2)
		require.ErrorIs(t, err, domain.ErrNotFound, "not a message")
	}
	_, err = n.Trace(t.Context(), domain.ConversationID{1}, 1, "", 2)
	require.ErrorIs(t, err, domain.ErrNotFound)
	_, err = n.Trace(t.Context(), id, e.Seq, "x", 2)
	require.ErrorIs(t, err, domain.ErrCursorInvalid)
	_, err = storetest.Connect(t, n.URL).Exec(t.Context(), `DELETE FROM commits`)
	require.NoError(t, err)
	late, err := n.Trace(t.Context(), id, e.Seq, "", 2)
	require.NoError(t, err)
	require.Nil(t, late.Committed.Node)
}
