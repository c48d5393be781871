package users_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

func archived(v bool) domain.PreferencesPatch { return domain.PreferencesPatch{Archived: &v} }

func preferences(t *testing.T, n *storetest.Node, u domain.UserID, id domain.ConversationID) domain.Preferences {
	t.Helper()
	p, err := n.Preferences(t.Context(), storetest.User(u), id)
	require.NoError(t, err)
	v, err := n.Conversation(t.Context(), storetest.User(u), id, "")
	require.NoError(t, err)
	require.Equal(t, p, v.Preferences, "the view has the same")
	return p
}

func archive(t *testing.T, n *storetest.Node, u domain.UserID, id domain.ConversationID) {
	t.Helper()
	p, changed, err := n.SetPreferences(t.Context(), storetest.User(u), id, archived(true))
	require.NoError(t, err)
	require.True(t, p.Archived && changed)
}

func TestPreferences(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id, other := n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob")
	require.Equal(t, domain.DefaultPreferences(), preferences(t, n, "alice", id))
	cursor := cursorNow(t, n, "alice")

	none, yes := domain.NotifyNone, true
	p, changed, err := n.SetPreferences(t.Context(), storetest.User("alice"), id, domain.PreferencesPatch{Notify: &none, Pinned: &yes})
	require.NoError(t, err)
	require.True(t, changed)
	require.Equal(t, domain.Preferences{Notify: none, Pinned: true}, p)
	_, changed, err = n.SetPreferences(t.Context(), storetest.User("alice"), id, domain.PreferencesPatch{Pinned: &yes})
	require.NoError(t, err)
	require.False(t, changed)
	require.Equal(t, p, preferences(t, n, "alice", id))
	require.Equal(t, domain.DefaultPreferences(), preferences(t, n, "bob", id), "preferences belong to one user")

	page, err := n.Sync(t.Context(), domain.SyncQuery{User: "alice", Cursor: cursor, Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Conversations, 1, "only the own change, not the one of %s", other)
	require.Equal(t, p, page.Conversations[0].Preferences)

	for _, who := range []domain.Actor{storetest.User("eve"), {User: "shop", Backend: true}} {
		_, err = n.Preferences(t.Context(), who, id)
		require.ErrorIs(t, err, domain.ErrNotFound)
		_, _, err = n.SetPreferences(t.Context(), who, id, archived(true))
		require.ErrorIs(t, err, domain.ErrNotFound)
	}
}

func cursorNow(t *testing.T, n *storetest.Node, u domain.UserID) string {
	t.Helper()
	page, err := n.Sync(t.Context(), domain.SyncQuery{User: u, Limit: 100})
	require.NoError(t, err)
	require.True(t, page.Done)
	return page.Cursor
}

func TestMessageUnarchives(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob", "carol")
	for round := range 2 {
		archive(t, n, "bob", id)
		archive(t, n, "carol", id)
		cursor := cursorNow(t, n, "carol")
		_, err := n.Chat.AddMembers(t.Context(), storetest.User("alice"), id, []domain.UserID{domain.UserID(fmt.Sprint("u", round))}, domain.RoleMember)
		require.NoError(t, err)
		require.True(t, preferences(t, n, "bob", id).Archived, "only a message unarchives")
		n.Post(t, "alice", id, fmt.Sprint("m", round), "x")
		for _, u := range []domain.UserID{"bob", "carol"} {
			require.False(t, preferences(t, n, u, id).Archived)
		}
		page, err := n.Sync(t.Context(), domain.SyncQuery{User: "carol", Cursor: cursor, Limit: 10})
		require.NoError(t, err)
		require.False(t, page.Conversations[0].Preferences.Archived)
	}
}

// If a member archives while a message is being appended, the next message unarchives: the
// column of the conversation that says so is not lost.
func TestArchiveRacingAMessage(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n := storetest.Start(t, url)
	id := n.Group(t, "alice", "bob", "carol")
	archive(t, n, "bob", id)

	conn, watch := storetest.Connect(t, url), storetest.Connect(t, url)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `UPDATE conversations SET message_count = message_count + 1 WHERE id = $1`, id)
	require.NoError(t, err, "the update of an append that has not committed")
	done := make(chan error, 1)
	go func() {
		_, _, err := n.SetPreferences(context.Background(), storetest.User("carol"), id, archived(true))
		done <- err
	}()
	eventually.True(t, "archiving waits for the append", func() bool {
		var waiting bool
		require.NoError(t, watch.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND $1 = ANY (pg_blocking_pids(pid)))`, int32(conn.PgConn().PID())).Scan(&waiting))
		return waiting || len(done) > 0
	})
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, storetest.Wait(t, done))
	require.True(t, preferences(t, n, "carol", id).Archived)
	n.Post(t, "alice", id, "m", "x")
	require.False(t, preferences(t, n, "carol", id).Archived)
}
