package e2e

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// syncPage is the answer to sync.
type syncPage struct {
	Conversations []domain.ConversationView `json:"conversations"`
	Removed       []domain.ConversationID   `json:"removed"`
	Cursor        string                    `json:"cursor"`
	Done          bool                      `json:"done"`
	UnreadTotal   *int64                    `json:"unread_total"`
	Code          domain.Code               `json:"code"`
}

// sync runs a whole sync from a cursor, page by page; "" lists all conversations. It
// returns the views, and the last page with all removed conversations.
func (s *socket) sync(cursor string, limit int) (views map[domain.ConversationID]domain.ConversationView, last syncPage) {
	s.t.Helper()
	views = map[domain.ConversationID]domain.ConversationView{}
	var removed []domain.ConversationID
	for range 1000 {
		request := map[string]any{"type": "sync", "limit": limit, "timeline_limit": 2}
		if cursor != "" {
			request["cursor"] = cursor
		}
		var p syncPage
		s.request(request).into(s.t, &p)
		require.Empty(s.t, p.Code)
		for _, view := range p.Conversations {
			views[view.ConversationID] = view
		}
		removed = append(removed, p.Removed...)
		cursor = p.Cursor
		if p.Done {
			p.Removed = removed
			return views, p
		}
		require.Nil(s.t, p.UnreadTotal, "unread_total is only in the last page")
	}
	s.t.Fatal("the sync does not end")
	return nil, syncPage{}
}

// TestSyncAfterAbsence: after an absence, one sync returns what changed, and the client
// pulls only what it lacks.
func TestSyncAfterAbsence(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	alice := connect(t, one.URL, "alice", "phone")
	bob := connect(t, two.URL, "bob", "phone")

	var ids []domain.ConversationID
	for i := range 7 {
		ids = append(ids, one.group("alice", "bob"))
		require.Empty(t, alice.post(ids[i], "first", "hello").Code)
		bob.waitEvent(ids[i], 2)
		bob.write(map[string]any{"type": "ack", "acks": map[string]int64{ids[i].String(): 2}})
	}
	views, last := bob.sync("", 3)
	require.Len(t, views, 7)
	require.EqualValues(t, 7, *last.UnreadTotal)
	for _, id := range ids {
		require.EqualValues(t, 1, views[id].UnreadCount)
		require.Len(t, views[id].Events, 2)
		require.JSONEq(t, `{"type":"text","text":"hello"}`, string(views[id].LastMessage.Content))
	}
	require.NoError(t, bob.ws.Close())

	for n := range 20 {
		require.Empty(t, alice.post(ids[3], fmt.Sprint("c-", n), "x").Code)
	}
	one.remove("alice", ids[5], "bob")

	bob = connect(t, one.URL, "bob", "phone")
	changed, last := bob.sync(last.Cursor, 100)
	require.Len(t, changed, 1, "unchanged conversations are not sent again")
	require.Equal(t, []domain.ConversationID{ids[5]}, last.Removed)
	view := changed[ids[3]]
	require.EqualValues(t, 22, view.HeadSeq)
	require.EqualValues(t, 21, view.UnreadCount)
	require.EqualValues(t, 2, view.AckedSeq, "the acknowledgement of this device is kept")
	require.True(t, view.Limited)
	require.EqualValues(t, 26, *last.UnreadTotal, "21 in the changed conversation and one in each of five others")
	require.Len(t, bob.history(ids[3]), 22)

	var refused syncPage
	alice.request(map[string]any{"type": "sync", "cursor": last.Cursor}).into(t, &refused)
	require.Equal(t, domain.CodeCursorInvalid, refused.Code, "a cursor is valid for its user only")
}

// TestReadReachesAllDevices: a read position of one device is pushed to the other devices
// of the user, on any node, and never goes back.
func TestReadReachesAllDevices(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	id := one.direct("alice", "bob")
	alice := connect(t, one.URL, "alice", "phone")
	phone, laptop := connect(t, one.URL, "bob", "phone"), connect(t, two.URL, "bob", "laptop")
	for n := range 5 {
		require.Empty(t, alice.post(id, fmt.Sprint(n), "x").Code)
	}
	phone.waitEvent(id, 6)
	for _, step := range []struct{ seq, read, unread int64 }{{4, 4, 2}, {2, 4, 2}, {1_000, 6, 0}} {
		f := phone.request(map[string]any{"type": "read", "conversation_id": id, "seq": step.seq})
		var state domain.ReadState
		f.into(t, &state)
		require.Equal(t, domain.ReadState{
			ConversationID: id, ReadSeq: step.read, UnreadCount: step.unread, UnreadTotal: step.unread,
		}, state)
		laptop.next("read_state").into(t, &state)
		require.Equal(t, step.read, state.ReadSeq)
	}
	require.Empty(t, phone.post(id, "answer", "x").Code)
	views, _ := laptop.sync("", 10)
	require.EqualValues(t, 7, views[id].ReadSeq, "a send moves the read position of the sender")
	require.Zero(t, views[id].UnreadCount)
}

// TestNewerSessionReplaces: a new session of a device ends the older one, on any node.
// Sessions of other devices stay.
func TestNewerSessionReplaces(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	old := connect(t, one.URL, "alice", "phone")
	laptop := connect(t, one.URL, "alice", "laptop")
	newer := connect(t, two.URL, "alice", "phone")
	require.Equal(t, 4402, old.closed())
	newest := connect(t, two.URL, "alice", "phone")
	require.Equal(t, 4402, newer.closed())

	id := one.direct("bob", "alice")
	require.Empty(t, connect(t, one.URL, "bob", "phone").post(id, "c", "x").Code)
	laptop.waitEvent(id, 2)
	newest.waitEvent(id, 2)
}
