package read_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

// groupWithFloor creates a group with history that carol, who joined with seq 5, may not
// read. Its messages are 2, 3 and 6. 2 and 6 were edited, reacted to and pinned since; 3
// was recalled.
func groupWithFloor(t *testing.T, n *storetest.Node) (id domain.ConversationID, head int64) {
	id = n.Group(t, "alice", "bob")
	n.Post(t, "alice", id, "1", "secret 1") // 2
	n.Post(t, "bob", id, "2", "secret 2")   // 3
	n.SetHistory(t, id, domain.HistorySinceJoin)
	require.EqualValues(t, 5, n.AddMember(t, id, "carol").Seq)
	n.Post(t, "alice", id, "3", "known") // 6
	for _, seq := range []int64{2, 6} {
		words := map[int64]string{2: "secret edit", 6: "known edit"}[seq]
		storetest.Made(t, domain.MessageEdited)(n.Edit("alice", id, seq, words, "bob"))
		storetest.Made(t, domain.ReactionAdded)(n.Chat.React(t.Context(), storetest.User("bob"), id, seq, "+1"))
		storetest.Made(t, domain.MessagePinned)(n.Chat.Pin(t.Context(), storetest.User("alice"), id, seq))
	}
	storetest.Made(t, domain.MessageRecalled)(n.Recall("bob", id, 3)) // 13
	return id, 13
}

// With since_join, no read returns anything from below a member's floor, and all reads
// return everything from the floor on.
func TestFloor(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id, head := groupWithFloor(t, n)
	at := func(seq int64) *int64 { return &seq }
	early := n.Log(t, id)[1].At
	carol, bob, app := storetest.User("carol"), storetest.User("bob"), domain.Actor{User: "carol", Backend: true}

	t.Run("events", func(t *testing.T) {
		for name, c := range map[string]struct {
			r    domain.Range
			want []int64
			more bool
		}{
			"newest":           {domain.Range{Limit: 100}, []int64{5, 6, 7, 8, 9, 10, 11, 12, 13}, false},
			"after nothing":    {domain.Range{AfterSeq: at(0), Limit: 2}, []int64{5, 6}, true},
			"after, below":     {domain.Range{AfterSeq: at(3), Limit: 1}, []int64{5}, true},
			"after, above":     {domain.Range{AfterSeq: at(6), Limit: 1}, []int64{7}, true},
			"before the floor": {domain.Range{BeforeSeq: at(5), Limit: 9}, []int64{}, false},
			"before, below":    {domain.Range{BeforeSeq: at(2), Limit: 9}, []int64{}, false},
			"before, above":    {domain.Range{BeforeSeq: at(7), Limit: 9}, []int64{5, 6}, false},
			"before, few":      {domain.Range{BeforeSeq: at(7), Limit: 1}, []int64{6}, true},
		} {
			page, err := n.Events(t.Context(), carol, id, c.r)
			require.NoError(t, err, name)
			require.Equal(t, c.want, seqs(page.Events), name)
			require.Equal(t, c.more, page.HasMore, name)
			require.Equal(t, []int64{5, head}, []int64{page.FloorSeq, page.HeadSeq}, name)
		}
		page, err := n.Events(t.Context(), carol, id, domain.Range{Limit: 100})
		require.NoError(t, err)
		for i, body := range map[int]string{ // edits, reactions, pins and recalls
			2: `{"target_seq":2}`, 3: `{"target_seq":2,"emoji":"+1"}`, 4: `{"target_seq":2}`,
			5: `{"target_seq":6,"content":{"type":"text","text":"known edit"},"mentions":["bob"]}`, 8: `{"target_seq":3}`,
		} {
			require.JSONEq(t, body, string(page.Events[i].Body))
		}
	})
	t.Run("messages", func(t *testing.T) {
		for name, c := range map[string]struct {
			r    domain.Range
			want []int64
			head int64
		}{
			"newest":                 {domain.Range{Limit: 9}, []int64{6}, head},
			"after nothing":          {domain.Range{AfterSeq: at(0), Limit: 9}, []int64{6}, head},
			"before the floor":       {domain.Range{BeforeSeq: at(5), Limit: 9}, []int64{}, head},
			"before beyond":          {domain.Range{BeforeSeq: at(99), Limit: 9}, []int64{6}, head},
			"around, below":          {domain.Range{AroundSeq: at(2), Limit: 4}, []int64{6}, head},
			"around, above":          {domain.Range{AroundSeq: at(6), Limit: 4}, []int64{6}, head},
			"around a time":          {domain.Range{AroundAt: &early, Limit: 4}, []int64{6}, head},
			"by seq":                 {domain.Range{Seqs: []int64{2, 3, 6}, Limit: 9}, []int64{6}, head},
			"as of a seq below":      {domain.Range{AsOfSeq: at(2), Limit: 9}, []int64{}, 4},
			"as of the floor":        {domain.Range{AsOfSeq: at(5), Limit: 9}, []int64{}, 5},
			"as of a seq above":      {domain.Range{AsOfSeq: at(6), Limit: 9}, []int64{6}, 6},
			"as of a time before":    {domain.Range{AsOf: &early, Limit: 9}, []int64{}, 4},
			"by seq, as of below":    {domain.Range{AsOfSeq: at(3), Seqs: []int64{2}, Limit: 9}, []int64{}, 4},
			"after, as of below":     {domain.Range{AsOfSeq: at(3), AfterSeq: at(1), Limit: 9}, []int64{}, 4},
			"around, as of a moment": {domain.Range{AsOfSeq: at(6), AroundSeq: at(2), Limit: 9}, []int64{6}, 6},
		} {
			page, err := n.Messages(t.Context(), carol, id, c.r)
			require.NoError(t, err, name)
			require.Equal(t, c.want, messageSeqs(page.Messages), name)
			require.Equal(t, []int64{5, c.head}, []int64{page.FloorSeq, page.HeadSeq}, name)
			require.False(t, page.HasMoreBefore, "%s: below the floor there is nothing", name)
			if name == "before the floor" {
				require.True(t, page.HasMoreAfter)
			}
		}
		for _, seq := range []int64{2, 3} {
			_, err := n.Message(t.Context(), carol, id, seq)
			require.ErrorIs(t, err, domain.ErrNotFound)
			_, err = n.Reactions(t.Context(), carol, id, seq, "", 9)
			require.ErrorIs(t, err, domain.ErrNotFound)
		}
		reacted, err := n.Reactions(t.Context(), carol, id, 6, "", 9)
		require.NoError(t, err)
		require.Len(t, reacted.Items, 1)
	})
	t.Run("pins", func(t *testing.T) {
		for limit := 1; limit <= 2; limit++ {
			page, err := n.Pins(t.Context(), carol, id, "", limit)
			require.NoError(t, err)
			require.Len(t, page.Items, 1)
			require.Nil(t, page.NextCursor)
			require.EqualValues(t, 6, page.Items[0].Seq)
		}
	})
	t.Run("no read shows the secret", func(t *testing.T) {
		for name, text := range readAll(t, n, carol, id) {
			require.NotContains(t, text, "secret", name)
		}
	})
	t.Run("earlier members and backends read all", func(t *testing.T) {
		for _, a := range []domain.Actor{bob, app} {
			for name, text := range readAll(t, n, a, id) {
				if name == "sync" && a.Backend {
					continue // a sync is always the user's own
				}
				require.Contains(t, text, "secret", "%s %v", name, a)
				require.NotContains(t, text, `"floor_seq":5`, "%s %v", name, a)
			}
		}
	})
	t.Run("the setting at the time of the read counts", func(t *testing.T) {
		n.SetHistory(t, id, domain.HistoryAll)
		page, err := n.Events(t.Context(), carol, id, domain.Range{Limit: 100})
		require.NoError(t, err)
		require.Len(t, page.Events, int(head)+1)
		require.Contains(t, string(page.Events[6].Body), "secret edit")
		n.SetHistory(t, id, domain.HistorySinceJoin)
		page, err = n.Events(t.Context(), carol, id, domain.Range{Limit: 100})
		require.NoError(t, err)
		require.EqualValues(t, 5, page.FromSeq)
	})
	t.Run("the floor moves when a member joins again", func(t *testing.T) {
		_, err := n.Chat.RemoveMember(t.Context(), carol, id, "carol")
		require.NoError(t, err)
		again := n.AddMember(t, id, "carol")
		page, err := n.Events(t.Context(), carol, id, domain.Range{Limit: 100})
		require.NoError(t, err)
		require.Equal(t, []int64{again.Seq}, seqs(page.Events))
		require.Equal(t, again.Seq, page.FloorSeq)
	})
}

// readAll returns the results of all reads of a conversation by an actor, as JSON. The
// timelines are long enough for all events.
func readAll(t *testing.T, n *storetest.Node, a domain.Actor, id domain.ConversationID) map[string]string {
	found := map[string]string{}
	add := func(name string, v any, err error) {
		require.NoError(t, err, name)
		text, err := json.Marshal(v)
		require.NoError(t, err)
		found[name] = string(text)
	}
	sync, err := n.Sync(t.Context(), domain.SyncQuery{User: a.User, Limit: 9, TimelineLimit: 50})
	add("sync", sync, err)
	events, err := n.Events(t.Context(), a, id, domain.Range{Limit: 1000})
	add("events", events, err)
	messages, err := n.Messages(t.Context(), a, id, domain.Range{Limit: 1000})
	add("messages", messages, err)
	pins, err := n.Pins(t.Context(), a, id, "", 9)
	add("pins", pins, err)
	return found
}

// The floor applies to the last message and to timelines.
func TestFloorOfViews(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	n.Post(t, "alice", id, "1", "secret") // 2
	n.SetHistory(t, id, domain.HistorySinceJoin)
	n.AddMember(t, id, "carol") // 4
	storetest.Made(t, domain.MessageEdited)(n.Edit("alice", id, 2, "secret edit"))

	view := func(who domain.UserID) domain.ConversationView {
		page, err := n.Sync(t.Context(), domain.SyncQuery{User: who, Limit: 9, TimelineLimit: 50})
		require.NoError(t, err)
		one, err := n.Conversation(t.Context(), storetest.User(who), id, "")
		require.NoError(t, err)
		views, err := n.Views(t.Context(), id, []domain.UserID{"carol", "bob"})
		require.NoError(t, err)
		listed, err := n.Conversations(t.Context(), storetest.User(who), "", "", 9)
		require.NoError(t, err)
		synced := page.Conversations[0]
		for _, v := range []domain.ConversationView{one, views[who], listed.Items[0]} {
			require.Equal(t, synced.LastMessage, v.LastMessage)
			require.Equal(t, []int64{synced.FloorSeq, synced.JoinedSeq, synced.UnreadCount}, []int64{v.FloorSeq, v.JoinedSeq, v.UnreadCount})
			require.True(t, v.Limited)
		}
		return synced
	}
	v := view("carol")
	require.Nil(t, v.LastMessage, "there is no message above the floor")
	require.Equal(t, []int64{4, 5}, seqs(v.Events))
	require.Equal(t, `{"target_seq":2}`, string(v.Events[1].Body))
	require.Equal(t, []int64{4, 4, 0}, []int64{v.FloorSeq, v.JoinedSeq, v.UnreadCount})
	require.False(t, v.Limited, "these are all events that she may read")
	v = view("bob")
	require.Contains(t, string(v.LastMessage.Content), "secret edit")
	require.Equal(t, []int64{1, 1, 1}, []int64{v.FloorSeq, v.JoinedSeq, v.UnreadCount})
	app, err := n.Conversation(t.Context(), domain.Actor{User: "carol", Backend: true}, id, "")
	require.NoError(t, err)
	require.EqualValues(t, 1, app.FloorSeq)
	require.NotNil(t, app.LastMessage)

	n.Post(t, "alice", id, "2", "known")
	v = view("carol")
	require.EqualValues(t, 6, v.LastMessage.Seq)
	require.EqualValues(t, 1, v.UnreadCount, "messages from before the join are not unread")
	require.Equal(t, v.LastMessage, view("bob").LastMessage)
	state, err := n.MarkRead(t.Context(), storetest.User("carol"), id, 2)
	require.NoError(t, err)
	require.EqualValues(t, 4, state.ReadSeq, "a new member has read up to the join")
	require.EqualValues(t, 1, state.UnreadCount)
	read, err := n.Memberships(t.Context(), "carol")
	require.NoError(t, err)
	require.Equal(t, []domain.Membership{{ConversationID: id, HeadSeq: 6, JoinedSeq: 4, SinceJoin: true}}, read.List)
}

// For commands, too, messages below the floor do not exist, even on a node with an old
// cached state.
func TestCommandsBelowTheFloor(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n, other := storetest.Start(t, url), storetest.Start(t, url)
	id := n.Group(t, "alice", "bob")
	n.Post(t, "bob", id, "1", "mine") // 2
	n.Post(t, "alice", id, "2", "x")  // 3
	storetest.Made(t, domain.ReactionAdded)(other.Chat.React(t.Context(), storetest.User("bob"), id, 3, "+1"))
	_, err := n.Chat.RemoveMember(t.Context(), storetest.User("bob"), id, "bob")
	require.NoError(t, err)
	n.AddMember(t, id, "bob")
	storetest.Made(t, domain.MemberRoleChanged)(n.Chat.PutMember(t.Context(), storetest.User("alice"), id, "bob", domain.RoleAdmin))
	reply := func(n *storetest.Node, key string) error {
		two := int64(2)
		return storetest.Wait(t, n.Send(t.Context(), "bob", domain.Post{ConversationID: id, ClientMsgID: key, Content: storetest.Text("r"), ReplyTo: &two})).Err
	}
	require.NoError(t, reply(other, "all"))
	n.SetHistory(t, id, domain.HistorySinceJoin) // the cached state of other is older

	for name, command := range map[string]func() ([]domain.Event, error){
		"edit":   func() ([]domain.Event, error) { return other.Edit("bob", id, 2, "new") },
		"recall": func() ([]domain.Event, error) { return other.Recall("bob", id, 2) },
		"react": func() ([]domain.Event, error) {
			return other.Chat.React(t.Context(), storetest.User("bob"), id, 2, "+1")
		},
		"unreact": func() ([]domain.Event, error) {
			return other.Chat.Unreact(t.Context(), storetest.User("bob"), id, 3, "+1")
		},
		"pin":   func() ([]domain.Event, error) { return other.Chat.Pin(t.Context(), storetest.User("bob"), id, 2) },
		"unpin": func() ([]domain.Event, error) { return other.Chat.Unpin(t.Context(), storetest.User("bob"), id, 2) },
	} {
		events, err := command()
		require.ErrorIs(t, err, domain.ErrNotFound, name)
		require.Empty(t, events, name)
	}
	err = reply(other, "since_join")
	require.ErrorIs(t, err, domain.ErrInvalid)
	var refused *domain.Error
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Fields, "/reply_to")
	require.NoError(t, reply(other, "all"), "a duplicate is answered before the floor is checked")
	for i, a := range []domain.Actor{storetest.User("alice"), {User: "bob", Backend: true}} {
		storetest.Made(t, domain.ReactionAdded)(other.Chat.React(t.Context(), a, id, 2, fmt.Sprint(i)))
	}
}
