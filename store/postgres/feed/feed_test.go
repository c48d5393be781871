package feed_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

func TestFeed(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	old := n.Group(t, "alice", "bob")
	page, err := n.Feed(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, page.Heads, "the present position has no heads")

	id := n.Group(t, "alice", "carol")
	n.Post(t, "alice", id, "m1", "x")
	n.Post(t, "alice", old, "m1", "x")
	n.Post(t, "alice", old, "m2", "x")
	page, err = n.Feed(t.Context(), page.Position)
	require.NoError(t, err)
	require.ElementsMatch(t, []domain.FeedHead{
		{ConversationID: id, First: 1, Head: 2, Membership: true},
		{ConversationID: old, First: 2, Head: 3},
	}, page.Heads)

	_, err = n.Chat.RemoveMember(t.Context(), storetest.User("bob"), old, "bob")
	require.NoError(t, err)
	page, err = n.Feed(t.Context(), page.Position)
	require.NoError(t, err)
	require.Equal(t, []domain.FeedHead{{ConversationID: old, First: 4, Head: 4, Membership: true}}, page.Heads)
	page, err = n.Feed(t.Context(), page.Position)
	require.NoError(t, err)
	require.Empty(t, page.Heads)

	for _, bad := range []domain.FeedPosition{"x", "!", "c2Fs", page.Position + "AA"} {
		_, err := n.Feed(t.Context(), bad)
		require.ErrorIs(t, err, domain.ErrCursorInvalid)
	}
}

// A transaction that began before a read and commits after it is in the next read, although
// transactions that began later were read before.
func TestI6FeedHasLateCommits(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	page, err := n.Feed(t.Context(), "")
	require.NoError(t, err)
	late, err := storetest.Connect(t, n.URL).Begin(t.Context())
	require.NoError(t, err)
	lost := domain.ConversationID{7}
	_, err = late.Exec(t.Context(), `INSERT INTO commits (batch, at, node, conversations, firsts, heads, membership)
		VALUES ($1, now(), 'late', ARRAY[$2::uuid], '{5}', '{6}', '{false}')`, uuid.New(), lost)
	require.NoError(t, err)
	for i := range 3 {
		n.Post(t, "alice", id, string(rune('a'+i)), "x")
		page, err = n.Feed(t.Context(), page.Position)
		require.NoError(t, err)
		require.Equal(t, []domain.FeedHead{{ConversationID: id, First: int64(2 + i), Head: int64(2 + i)}}, page.Heads)
	}
	require.NoError(t, late.Commit(t.Context()))
	page, err = n.Feed(t.Context(), page.Position)
	require.NoError(t, err)
	require.Equal(t, []domain.FeedHead{{ConversationID: lost, First: 5, Head: 6}}, page.Heads)
	page, err = n.Feed(t.Context(), page.Position)
	require.NoError(t, err)
	require.Empty(t, page.Heads, "once")
}

func TestFeedPositionOlderThanTheFeed(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	page, err := n.Feed(t.Context(), "")
	require.NoError(t, err)
	id := n.Group(t, "alice", "bob")
	conn := storetest.Connect(t, n.URL)
	_, err = conn.Exec(t.Context(), `UPDATE commits SET at = now() - interval '7 hours'`)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), storetest.Statements(t, "..")["postgres.sweepCommitsSQL"])
	require.NoError(t, err)
	_, err = n.Feed(t.Context(), page.Position)
	require.ErrorIs(t, err, domain.ErrCursorInvalid)
	page, err = n.Feed(t.Context(), "")
	require.NoError(t, err)
	n.Post(t, "alice", id, "m", "x")
	page, err = n.Feed(t.Context(), page.Position)
	require.NoError(t, err)
	require.Len(t, page.Heads, 1)
}

// Deleting old commits is no loss for a reader that has read them, even if a transaction of
// another database was in progress all the time.
func TestFeedWithALongTransactionElsewhere(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	conn := storetest.Connect(t, n.URL)
	open, err := storetest.Connect(t, pgtest.New(t)).Begin(t.Context())
	require.NoError(t, err)
	_, err = open.Exec(t.Context(), `SELECT pg_current_xact_id()`)
	require.NoError(t, err)
	id := n.Group(t, "alice", "bob")
	page, err := n.Feed(t.Context(), "")
	require.NoError(t, err)

	_, err = conn.Exec(t.Context(), `UPDATE commits SET at = now() - interval '7 hours'`)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), storetest.Statements(t, "..")["postgres.sweepCommitsSQL"])
	require.NoError(t, err)
	n.Post(t, "alice", id, "m", "x")
	page, err = n.Feed(t.Context(), page.Position)
	require.NoError(t, err)
	require.Len(t, page.Heads, 1)
	require.NoError(t, open.Rollback(t.Context()))
	_, err = n.Feed(t.Context(), page.Position)
	require.NoError(t, err)
}
