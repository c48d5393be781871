package read_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

// active is a conversation and the time of its newest activity for a user.
type active struct {
	id domain.ConversationID
	at domain.Time
}

// activityOf returns the activity of a conversation for a user, from its log alone: the
// newest message, or the user's own joining. The user must be a member.
func activityOf(t require.TestingT, events []domain.Event, user domain.UserID) (at domain.Time) {
	for _, e := range events {
		switch e.Type {
		case domain.MessagePosted, domain.ConversationCreated:
			at = e.At
		case domain.MemberAdded:
			var body domain.MemberRole
			require.NoError(t, json.Unmarshal(e.Body, &body))
			if body.UserID == user {
				at = e.At
			}
		}
	}
	return at
}

// newestFirst returns the order in which a user's conversations must be listed.
func newestFirst(t require.TestingT, n *storetest.Node, user domain.UserID, ids ...domain.ConversationID) []active {
	list := []active{}
	for _, id := range ids {
		_, err := n.Conversation(storetest.ContextOf(t), storetest.User(user), id, "")
		if errors.Is(err, domain.ErrNotFound) {
			continue
		}
		require.NoError(t, err)
		events, err := n.LogRange(storetest.ContextOf(t), id, 0, 1<<40)
		require.NoError(t, err)
		list = append(list, active{id, activityOf(t, events, user)})
	}
	slices.SortFunc(list, func(a, b active) int {
		return cmp.Or(b.at.Compare(a.at.Time), bytes.Compare(b.id[:], a.id[:]))
	})
	return list
}

// listed returns the user's conversations, in the order of a list and of a sync that both
// return limit at a time; the two must be the same.
func listed(t require.TestingT, n *storetest.Node, user domain.UserID, limit int) (list []active) {
	ctx := storetest.ContextOf(t)
	for cursor := ""; ; {
		page, err := n.Conversations(ctx, storetest.User(user), "", cursor, limit)
		require.NoError(t, err)
		for _, v := range page.Items {
			list = append(list, active{v.ConversationID, v.ActiveAt})
		}
		if page.NextCursor == nil {
			break
		}
		cursor = *page.NextCursor
	}
	var synced []active
	for cursor := ""; ; {
		page, err := n.Sync(ctx, domain.SyncQuery{User: user, Cursor: cursor, Limit: limit})
		require.NoError(t, err)
		for _, v := range page.Conversations {
			synced = append(synced, active{v.ConversationID, v.ActiveAt})
		}
		if cursor = page.Cursor; page.Done {
			break
		}
	}
	require.Equal(t, list, synced)
	return append([]active{}, list...)
}

// Each thing that can happen to a conversation, and whose list it moves to the front of.
func TestWhatIsActivity(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	ctx, alice, bob := t.Context(), storetest.User("alice"), storetest.User("bob")
	event := func(events []domain.Event, err error) error { return err }
	for _, c := range []struct {
		what  string
		moves []domain.UserID
		do    func(id domain.ConversationID) error
	}{
		{"a message", []domain.UserID{"alice", "bob", "carol"}, func(id domain.ConversationID) error {
			n.Post(t, "bob", id, "new", "new")
			return nil
		}},
		{"an edit", nil, func(id domain.ConversationID) error { return event(n.Edit("alice", id, 2, "edited", "bob")) }},
		{"a recall", nil, func(id domain.ConversationID) error { return event(n.Recall("alice", id, 2)) }},
		{"a recall of the last message", nil, func(id domain.ConversationID) error { return event(n.Recall("alice", id, 3)) }},
		{"a reaction", nil, func(id domain.ConversationID) error { return event(n.Chat.React(ctx, bob, id, 2, "👍")) }},
		{"no reaction any more", nil, func(id domain.ConversationID) error { return event(n.Chat.Unreact(ctx, bob, id, 3, "+1")) }},
		{"a pin", nil, func(id domain.ConversationID) error { return event(n.Chat.Pin(ctx, alice, id, 2)) }},
		{"no pin any more", nil, func(id domain.ConversationID) error { return event(n.Chat.Unpin(ctx, alice, id, 3)) }},
		{"another title", nil, func(id domain.ConversationID) error {
			return event(n.Chat.Update(ctx, alice, id, domain.Changes{Title: domain.Field[string]{Set: true}}))
		}},
		{"other settings", nil, func(id domain.ConversationID) error {
			return event(n.Chat.Update(ctx, alice, id, domain.Changes{Settings: &domain.SettingsPatch{History: new(domain.HistorySinceJoin)}}))
		}},
		{"joining", []domain.UserID{"dave"}, func(id domain.ConversationID) error {
			return event(n.Chat.AddMembers(ctx, alice, id, []domain.UserID{"dave"}, domain.RoleMember))
		}},
		{"joining again", []domain.UserID{"carol"}, func(id domain.ConversationID) error {
			return errors.Join(event(n.Chat.RemoveMember(ctx, alice, id, "carol")), event(n.Chat.PutMember(ctx, alice, id, "carol", domain.RoleMember)))
		}},
		{"another role", nil, func(id domain.ConversationID) error {
			return event(n.Chat.PutMember(ctx, alice, id, "bob", domain.RoleAdmin))
		}},
		{"another member leaves", nil, func(id domain.ConversationID) error { return event(n.Chat.RemoveMember(ctx, bob, id, "bob")) }},
		{"reading", nil, func(id domain.ConversationID) error {
			_, err := n.MarkRead(ctx, bob, id, 3)
			return err
		}},
		{"preferences", nil, func(id domain.ConversationID) error {
			_, _, err := n.SetPreferences(ctx, bob, id, domain.PreferencesPatch{Pinned: new(true)})
			return err
		}},
	} {
		old := n.Group(t, "alice", "bob", "carol")
		n.Post(t, "alice", old, "1", "one")
		n.Post(t, "alice", old, "2", "two")
		require.NoError(t, event(n.Chat.React(ctx, bob, old, 3, "+1")))
		require.NoError(t, event(n.Chat.Pin(ctx, alice, old, 3)))
		recent := n.Group(t, "alice", "bob", "carol", "dave")
		require.NoError(t, c.do(old), c.what)
		for _, user := range []domain.UserID{"alice", "bob", "carol", "dave"} {
			first := listed(t, n, user, 50)[0].id
			if slices.Contains(c.moves, user) {
				require.Equal(t, old, first, "%s moves it in the list of %s", c.what, user)
			} else {
				require.Equal(t, recent, first, "%s does not move it in the list of %s", c.what, user)
			}
		}
	}
}

// Whatever happens, lists and syncs are in the order of messages and own joinings,
// whatever the size of their pages.
func TestListsAreInTheOrderOfActivity(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url)}
	var rounds atomic.Int64
	rapid.Check(t, func(rt *rapid.T) {
		round := rounds.Add(1)
		var users []domain.UserID
		for i := range 3 {
			users = append(users, domain.UserID(fmt.Sprintf("u%d-%d", i, round)))
		}
		var ids []domain.ConversationID
		for i := range 4 {
			id, _, err := nodes[0].Chat.Create(t.Context(), storetest.User(users[0]), domain.Creation{Kind: domain.Group, Members: users[1 : 1+i%3]})
			require.NoError(rt, err)
			ids = append(ids, id)
		}
		cursors := map[domain.UserID]string{}
		for _, user := range users {
			d := newDevice(user)
			d.sync(rt, nodes[0], 500)
			cursors[user] = d.cursor
		}
		for range rapid.IntRange(1, 30).Draw(rt, "actions") {
			n, id := nodes[rapid.IntRange(0, 1).Draw(rt, "node")], rapid.SampledFrom(ids).Draw(rt, "conversation")
			who, other := rapid.SampledFrom(users).Draw(rt, "who"), rapid.SampledFrom(users).Draw(rt, "other")
			what, seq := rapid.IntRange(0, 13).Draw(rt, "what"), rapid.Int64Range(1, 12).Draw(rt, "seq")
			require.NoError(rt, storetest.IgnoreRefused(happen(t.Context(), n, what, id, who, other, seq)))
		}
		for _, user := range users {
			want := newestFirst(rt, nodes[0], user, ids...)
			require.Equal(rt, want, listed(rt, nodes[0], user, rapid.IntRange(1, 5).Draw(rt, "limit")))
			page, err := nodes[0].Sync(t.Context(), domain.SyncQuery{User: user, Cursor: cursors[user], Limit: 500})
			require.NoError(rt, err)
			changed := []active{}
			for _, v := range page.Conversations {
				changed = append(changed, active{v.ConversationID, v.ActiveAt})
			}
			want = slices.DeleteFunc(want, func(a active) bool { return !slices.Contains(changed, a) })
			require.Equal(rt, want, changed, "what changed since a cursor")
		}
	})
}

// happen does one of the things that make an event.
func happen(ctx context.Context, n *storetest.Node, what int, id domain.ConversationID, who, other domain.UserID, seq int64) (err error) {
	a := storetest.User(who)
	switch what {
	case 0:
		_, err = n.Chat.AddMembers(ctx, a, id, []domain.UserID{other}, domain.RoleMember)
	case 1:
		_, err = n.Chat.RemoveMember(ctx, a, id, other)
	case 2:
		_, err = n.Chat.PutMember(ctx, a, id, other, []domain.Role{domain.RoleAdmin, domain.RoleMember}[seq%2])
	case 3:
		title := fmt.Sprint(seq)
		_, err = n.Chat.Update(ctx, a, id, domain.Changes{Title: domain.Field[string]{Set: true, Value: &title}})
	case 4:
		history := []string{domain.HistoryAll, domain.HistorySinceJoin}[seq%2]
		_, err = n.Chat.Update(ctx, a, id, domain.Changes{Settings: &domain.SettingsPatch{History: &history}})
	case 5:
		_, err = n.Edit(who, id, seq, fmt.Sprint(seq))
	case 6:
		_, err = n.Recall(who, id, seq)
	case 7:
		_, err = n.Chat.React(ctx, a, id, seq, "👍")
	case 8:
		_, err = n.Chat.Unreact(ctx, a, id, seq, "👍")
	case 9:
		_, err = n.Chat.Pin(ctx, a, id, seq)
	case 10:
		_, err = n.Chat.Unpin(ctx, a, id, seq)
	default:
		done := make(chan error, 1)
		post := domain.Post{ConversationID: id, ClientMsgID: uuid.NewString(), Content: storetest.Text("x")}
		n.Chat.Send(ctx, a, post, func(_ domain.Sent, err error) { done <- err })
		err = <-done
	}
	return err
}
