package users_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

// Every reader of the feed gets each session to end once.
func TestFeedHasSessionEnds(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n, other := storetest.Start(t, url), storetest.Start(t, url)
	page, err := other.Feed(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, page.Ends)
	before, err := n.Admit(t.Context(), "alice")
	require.NoError(t, err)

	all, err := n.EndSessions(t.Context(), "alice", domain.CloseEnded)
	require.NoError(t, err)
	require.Equal(t, domain.UserID("alice"), all.User)
	require.Greater(t, all.Below, before.Number, "a session that already has a number ends")
	after, err := n.Admit(t.Context(), "alice")
	require.NoError(t, err)
	require.Greater(t, after.Number, all.Below, "a later session does not")
	one, err := n.EndSession(t.Context(), "bob", "S1")
	require.NoError(t, err)
	id := n.Group(t, "alice")

	page, err = other.Feed(t.Context(), page.Position)
	require.NoError(t, err)
	require.ElementsMatch(t, []domain.EndSessions{
		{User: "alice", Below: all.Below, Code: 4401},
		{User: "bob", Session: "S1", Code: 4401},
	}, page.Ends)
	require.Contains(t, page.Ends, one)
	require.Equal(t, []domain.FeedHead{{ConversationID: id, First: 1, Head: 1, Membership: true}}, page.Heads)
	page, err = other.Feed(t.Context(), page.Position)
	require.NoError(t, err)
	require.Empty(t, page.Ends)
}

func TestRevocations(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	require.True(t, revokedBefore(t, n, "alice").IsZero())
	first, err := n.Revoke(t.Context(), "alice")
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), first, time.Minute)
	second, err := n.Revoke(t.Context(), "alice")
	require.NoError(t, err)
	require.True(t, second.After(first))
	require.True(t, revokedBefore(t, n, "alice").Equal(second))
	require.True(t, revokedBefore(t, n, "bob").IsZero())
}

// revokedBefore reads the time in every way, and requires that all agree.
func revokedBefore(t *testing.T, n *storetest.Node, user domain.UserID) time.Time {
	t.Helper()
	standing, err := n.StandingOf(t.Context(), user)
	require.NoError(t, err)
	admitted, err := n.Admit(t.Context(), user)
	require.NoError(t, err)
	require.True(t, admitted.Standing.RevokedBefore.Equal(standing.RevokedBefore))
	read, err := n.Memberships(t.Context(), user)
	require.NoError(t, err)
	require.True(t, read.Standing.RevokedBefore.Equal(standing.RevokedBefore))
	return standing.RevokedBefore
}
