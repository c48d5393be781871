package read_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

func join(n *storetest.Node, who domain.UserID, id domain.ConversationID, t testing.TB) ([]domain.Event, error) {
	return n.Chat.PutMember(t.Context(), storetest.User(who), id, who, domain.RoleMember)
}

func TestOpenGroup(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	direct, _, err := n.Chat.Create(t.Context(), storetest.User("alice"), domain.Creation{Kind: domain.Direct, Members: []domain.UserID{"bob"}})
	require.NoError(t, err)
	for _, closed := range []domain.ConversationID{id, direct, {1}} {
		_, err := n.OpenGroup(t.Context(), closed)
		require.ErrorIs(t, err, domain.ErrNotFound)
	}
	n.SetSettings(t, id, domain.SettingsPatch{Joining: new(domain.JoiningOpen)})
	group, err := n.OpenGroup(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, domain.OpenGroup{ConversationID: id, Title: new("a group"), MemberCount: 2}, group)
	_, err = n.Conversation(t.Context(), storetest.User("eve"), id, "")
	require.ErrorIs(t, err, domain.ErrNotFound)

	storetest.Made(t, domain.MemberAdded)(join(n, "eve", id, t))
	v, err := n.Conversation(t.Context(), storetest.User("eve"), id, "")
	require.NoError(t, err)
	require.Equal(t, domain.RoleMember, v.Role)
	require.Equal(t, 3, v.MemberCount)
}

// After a group is closed no user joins it, even through a node whose cached state says
// that it is open.
func TestJoinRacingClose(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	here, there := storetest.Start(t, url), storetest.Start(t, url)
	id := here.Group(t, "alice")
	setJoining := func(value string) { here.SetSettings(t, id, domain.SettingsPatch{Joining: &value}) }
	for round := range 20 {
		setJoining(domain.JoiningOpen)
		storetest.Made(t, domain.MemberAdded)(join(there, domain.UserID(fmt.Sprint("first", round)), id, t)) // caches the state
		var racing sync.WaitGroup
		for i := range 4 {
			racing.Go(func() {
				if _, err := join(there, domain.UserID(fmt.Sprint("u", round, "-", i)), id, t); err != nil && !errors.Is(err, domain.ErrNotFound) {
					t.Error(err)
				}
			})
		}
		setJoining(domain.JoiningInvite)
		_, err := join(there, domain.UserID(fmt.Sprint("late", round)), id, t)
		require.ErrorIs(t, err, domain.ErrNotFound)
		racing.Wait()
	}
	open := false
	for _, e := range here.Log(t, id) {
		switch e.Type {
		case domain.ConversationUpdated:
			open = !open
		case domain.MemberAdded:
			require.True(t, open, "%s joined with %d", e.Sender, e.Seq)
		}
	}
}

// If a conversation shares no receipts, a member reads only its own positions.
func TestReceiptsOff(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob", "carol")
	_, err := n.Deliver(t.Context(), []domain.Ack{{User: "carol", Device: "phone", ConversationID: id, Seq: 1}})
	require.NoError(t, err)
	n.SetSettings(t, id, domain.SettingsPatch{Receipts: new(false)})
	list := func(a domain.Actor) (users []domain.UserID) {
		page, err := n.Receipts(t.Context(), a, id, "", 9)
		require.NoError(t, err)
		for _, r := range page.Items {
			users = append(users, r.UserID)
		}
		return users
	}
	require.Equal(t, []domain.UserID{"bob"}, list(storetest.User("bob")))
	require.Equal(t, []domain.UserID{"alice", "bob", "carol"}, list(domain.Actor{User: "app", Backend: true}))
	scopes, err := n.SignalScopes(t.Context(), []domain.ConversationID{id})
	require.NoError(t, err)
	require.False(t, scopes[id].Receipts)
	n.SetSettings(t, id, domain.SettingsPatch{Receipts: new(true)})
	require.Len(t, list(storetest.User("bob")), 3)
}
