package users_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

func TestVisibility(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob", "frank")
	_, err := n.Chat.RemoveMember(t.Context(), storetest.User("alice"), id, "frank")
	require.NoError(t, err)
	n.Group(t, "frank", "eve")

	at := domain.TimeOf(time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC))
	require.NoError(t, n.Sight(t.Context(), []domain.LastSeen{{User: "frank", At: at}, {User: "bob", At: at}}))
	before := domain.TimeOf(at.Add(-time.Hour))
	require.NoError(t, n.Sight(t.Context(), []domain.LastSeen{{User: "bob", At: before}, {User: "alice", At: before}}))

	list, err := n.Visibility(t.Context(), []domain.PresenceQuery{
		{Viewer: "alice", User: "bob"},
		{Viewer: "bob", User: "alice"},
		{Viewer: "bob", User: "frank"},
		{Viewer: "frank", User: "bob"},
		{Viewer: "alice", User: "eve"},
		{Viewer: "eve", User: "frank"},
		{Viewer: "stranger", User: "stranger"},
	})
	require.NoError(t, err)
	require.Equal(t, []domain.Visibility{
		{Visible: true, LastSeen: at}, {Visible: true, LastSeen: before}, {LastSeen: at}, {LastSeen: at}, {}, {Visible: true, LastSeen: at}, {Visible: true},
	}, list, "the last-seen time never moves back")

	blocked := []domain.PresenceQuery{{Viewer: "alice", User: "bob"}, {Viewer: "bob", User: "alice"}}
	require.NoError(t, n.SetBlock(t.Context(), "bob", "alice", true))
	list, err = n.Visibility(t.Context(), blocked)
	require.NoError(t, err)
	require.False(t, list[0].Visible, "a blocked user does not see presence")
	require.True(t, list[1].Visible)
}
