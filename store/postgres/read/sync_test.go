package read_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

// device is the state that a client has after its syncs.
type device struct {
	user   domain.UserID
	cursor string
	views  map[domain.ConversationID]domain.ConversationView
	unread int64
}

// page reads one page, and reports whether the sync is done.
func (d *device) page(t require.TestingT, n *storetest.Node, limit int) bool {
	page, err := n.Sync(storetest.ContextOf(t), domain.SyncQuery{User: d.user, Cursor: d.cursor, Limit: limit})
	require.NoError(t, err)
	require.LessOrEqual(t, len(page.Conversations), limit)
	for _, v := range page.Conversations {
		d.views[v.ConversationID] = v
	}
	for _, id := range page.Removed {
		delete(d.views, id)
	}
	d.cursor = page.Cursor
	if page.Done {
		d.unread = *page.UnreadTotal
	} else {
		require.Nil(t, page.UnreadTotal)
	}
	return page.Done
}

func (d *device) sync(t require.TestingT, n *storetest.Node, limit int) {
	for range 1000 {
		if d.page(t, n, limit) {
			return
		}
	}
	require.FailNow(t, "the sync does not end")
}

func newDevice(user domain.UserID) *device {
	return &device{user: user, views: map[domain.ConversationID]domain.ConversationView{}}
}

// requireCurrent requires the state that a sync without a cursor gives.
func (d *device) requireCurrent(t require.TestingT, n *storetest.Node) {
	fresh := newDevice(d.user)
	fresh.sync(t, n, 500)
	require.Equal(t, fresh.unread, d.unread)
	require.Equal(t, storetest.AsJSON(t, fresh.views), storetest.AsJSON(t, d.views))
}

func TestSyncPage(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	for i := range 5 {
		n.Post(t, "alice", id, fmt.Sprint(i), fmt.Sprint("text ", i))
	}
	direct, _, err := n.Chat.Create(t.Context(), storetest.User("carol"), domain.Creation{Kind: domain.Direct, Members: []domain.UserID{"bob"}})
	require.NoError(t, err)
	require.NoError(t, n.Acknowledge(t.Context(), []domain.Ack{
		{User: "bob", Device: "phone", ConversationID: id, Seq: 3},
		{User: "bob", Device: "phone", ConversationID: id, Seq: 2},
		{User: "bob", Device: "phone", ConversationID: direct, Seq: 99},
		{User: "mallory", Device: "phone", ConversationID: id, Seq: 3},
	}))
	page, err := n.Sync(t.Context(), domain.SyncQuery{User: "bob", Device: "phone", Limit: 10, TimelineLimit: 2})
	require.NoError(t, err)
	require.True(t, page.Done)
	require.EqualValues(t, 5, *page.UnreadTotal)
	require.Len(t, page.Conversations, 2)
	first, second := page.Conversations[0], page.Conversations[1]
	require.Equal(t, direct, first.ConversationID, "newest activity first")
	require.Equal(t, domain.UserID("carol"), first.Peer)
	require.Nil(t, first.LastMessage)
	require.EqualValues(t, 1, first.AckedSeq, "a seq beyond the head counts as the head")
	require.False(t, first.Limited)

	require.Equal(t, id, second.ConversationID)
	require.EqualValues(t, 3, second.AckedSeq)
	require.EqualValues(t, 6, second.HeadSeq)
	require.EqualValues(t, 1, second.FloorSeq)
	require.EqualValues(t, 1, second.ReadSeq)
	require.EqualValues(t, 5, second.UnreadCount)
	require.Equal(t, domain.DefaultPreferences(), second.Preferences)
	require.EqualValues(t, 6, second.LastMessage.Seq)
	require.Len(t, second.Events, 2)
	require.EqualValues(t, 5, second.Events[0].Seq)
	require.True(t, second.Limited, "event 4 is neither acknowledged nor returned")
	text, err := json.Marshal(page)
	require.NoError(t, err)
	require.NotContains(t, string(text), `"removed":null`)
	require.NotContains(t, string(text), `"users":null`)
	require.NotContains(t, string(text), `"events":null`)

	page, err = n.Sync(t.Context(), domain.SyncQuery{User: "bob", Cursor: page.Cursor, Limit: 10})
	require.NoError(t, err)
	require.True(t, page.Done)
	require.Empty(t, page.Conversations)
	require.NotNil(t, page.Conversations)
}

func TestSyncPagesEndByBytes(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	big := strings.Repeat("x", 30_000)
	for c := range 4 {
		id := n.Group(t, "alice", "bob")
		for i := range 20 {
			n.Post(t, "alice", id, fmt.Sprint(c, i), big)
		}
	}
	seen, cursor := 0, ""
	for {
		page, err := n.Sync(t.Context(), domain.SyncQuery{User: "bob", Cursor: cursor, Limit: 10, TimelineLimit: 50})
		require.NoError(t, err)
		text, err := json.Marshal(page)
		require.NoError(t, err)
		require.Less(t, len(text), domain.PageBytes+100_000)
		for _, v := range page.Conversations {
			require.Len(t, v.Events, 21)
			require.False(t, v.Limited)
			seen++
		}
		cursor = page.Cursor
		if page.Done {
			break
		}
	}
	require.Equal(t, 4, seen)

	// A conversation that exceeds a page by itself is returned with the events that fit.
	huge := n.Group(t, "alice", "dave")
	for i := range 45 {
		n.Post(t, "alice", huge, fmt.Sprint(i), big)
	}
	page, err := n.Sync(t.Context(), domain.SyncQuery{User: "dave", Limit: 10, TimelineLimit: 50})
	require.NoError(t, err)
	v := page.Conversations[0]
	require.True(t, v.Limited)
	require.NotNil(t, v.LastMessage)
	require.Greater(t, len(v.Events), 20)
	require.Equal(t, v.HeadSeq, v.Events[len(v.Events)-1].Seq)
	require.Equal(t, v.HeadSeq-int64(len(v.Events))+1, v.Events[0].Seq, "the newest events, without a gap")
}

func TestSyncRemoved(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	stays, leaves := n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob")
	d := newDevice("bob")
	d.sync(t, n, 10)
	require.Len(t, d.views, 2)
	_, err := n.Chat.RemoveMember(t.Context(), storetest.User("alice"), leaves, "bob")
	require.NoError(t, err)
	page, err := n.Sync(t.Context(), domain.SyncQuery{User: "bob", Cursor: d.cursor, Limit: 10})
	require.NoError(t, err)
	require.Equal(t, []domain.ConversationID{leaves}, page.Removed)
	require.Empty(t, page.Conversations)
	d.sync(t, n, 10)
	require.Len(t, d.views, 1)
	require.Contains(t, d.views, stays)
	_, err = n.Chat.AddMembers(t.Context(), storetest.User("alice"), leaves, []domain.UserID{"bob"}, domain.RoleMember)
	require.NoError(t, err)
	d.sync(t, n, 10)
	require.Len(t, d.views, 2, "the conversation is back")

	t.Run("left after it was listed", func(t *testing.T) {
		for range 3 {
			n.Group(t, "alice", "bob")
		}
		d := newDevice("bob")
		require.False(t, d.page(t, n, 2))
		for id := range d.views {
			_, err := n.Chat.RemoveMember(t.Context(), storetest.User("bob"), id, "bob")
			require.NoError(t, err)
		}
		d.sync(t, n, 2)
		d.requireCurrent(t, n)
	})
}

// Conversations move to the front while a device reads pages. When the sync is done, the
// device may lack changes that happened after their pages. The next sync has them.
func TestSyncWhileConversationsMove(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	var ids []domain.ConversationID
	for range 12 {
		ids = append(ids, n.Group(t, "alice", "bob", "carol"))
	}
	serial := 0
	rapid.Check(t, func(rt *rapid.T) {
		d := newDevice("bob")
		syncs := rapid.IntRange(1, 3).Draw(rt, "syncs")
		for range syncs {
			touched := map[domain.ConversationID]bool{}
			limit := rapid.IntRange(1, 6).Draw(rt, "limit")
			for pages := 0; ; pages++ {
				require.Less(rt, pages, 100, "the sync does not end")
				done := d.page(rt, n, limit)
				for range rapid.IntRange(0, 3).Draw(rt, "moves") {
					serial++
					id := rapid.SampledFrom(ids).Draw(rt, "id")
					switch rapid.IntRange(0, 6).Draw(rt, "what") {
					case 0:
						touched[id] = true
						_, err := n.Chat.RemoveMember(t.Context(), storetest.User("alice"), id, "bob")
						require.NoError(rt, storetest.IgnoreNotFound(err))
					case 1:
						touched[id] = true
						_, err := n.Chat.AddMembers(t.Context(), storetest.User("alice"), id, []domain.UserID{"bob"}, domain.RoleMember)
						require.NoError(rt, err)
					case 2:
						_, err := n.MarkRead(t.Context(), storetest.User("bob"), id, 1<<40)
						require.NoError(rt, storetest.IgnoreNotFound(err))
					default:
						n.Post(t, "alice", id, fmt.Sprint(serial), "x")
					}
				}
				if done {
					break
				}
			}
			present, err := n.Memberships(t.Context(), "bob")
			require.NoError(rt, err)
			for _, m := range present.List {
				if !touched[m.ConversationID] {
					require.Contains(rt, d.views, m.ConversationID, "bob was a member from the first page to the last")
				}
			}
		}
		d.sync(rt, n, rapid.IntRange(1, 6).Draw(rt, "last limit")) // nothing changes any more
		d.requireCurrent(rt, n)
	})
}

func TestSyncCursorInvalid(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	for range 3 {
		n.Group(t, "alice", "bob")
	}
	done, err := n.Sync(t.Context(), domain.SyncQuery{User: "bob", Limit: 10})
	require.NoError(t, err)
	half, err := n.Sync(t.Context(), domain.SyncQuery{User: "bob", Limit: 1})
	require.NoError(t, err)
	require.False(t, half.Done)
	for _, cursor := range []string{"x", "====", done.Cursor[1:], done.Cursor + "A", half.Cursor[:len(half.Cursor)-4]} {
		_, err := n.Sync(t.Context(), domain.SyncQuery{User: "bob", Cursor: cursor, Limit: 1})
		require.ErrorIs(t, err, domain.ErrCursorInvalid, cursor)
	}
	for _, cursor := range []string{done.Cursor, half.Cursor} {
		_, err = n.Sync(t.Context(), domain.SyncQuery{User: "alice", Cursor: cursor, Limit: 1})
		require.ErrorIs(t, err, domain.ErrCursorInvalid, "another user's")
	}
	_, err = n.NewEpoch(t.Context())
	require.NoError(t, err)
	for _, cursor := range []string{done.Cursor, half.Cursor} {
		_, err = n.Sync(t.Context(), domain.SyncQuery{User: "bob", Cursor: cursor, Limit: 1})
		require.ErrorIs(t, err, domain.ErrCursorInvalid, "another epoch's")
	}
}
