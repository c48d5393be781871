package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
)

func archived(v bool) domain.PreferencesPatch { return domain.PreferencesPatch{Archived: &v} }

func (n *node) preferences(t *testing.T, u domain.UserID, id domain.ConversationID) domain.Preferences {
	t.Helper()
	p, err := n.Preferences(t.Context(), user(u), id)
	require.NoError(t, err)
	v, err := n.Conversation(t.Context(), user(u), id, "")
	require.NoError(t, err)
	require.Equal(t, p, v.Preferences, "the same everywhere")
	return p
}

func (n *node) archive(t *testing.T, u domain.UserID, id domain.ConversationID) {
	t.Helper()
	p, changed, err := n.SetPreferences(t.Context(), user(u), id, archived(true))
	require.NoError(t, err)
	require.True(t, p.Archived && changed)
}

func TestPreferences(t *testing.T) {
	t.Parallel()
	n := start(t, pgtest.New(t))
	id, other := n.group(t, "alice", "bob"), n.group(t, "alice", "bob")
	require.Equal(t, domain.DefaultPreferences(), n.preferences(t, "alice", id))
	cursor := n.cursorNow(t, "alice")

	none, yes := domain.NotifyNone, true
	p, changed, err := n.SetPreferences(t.Context(), user("alice"), id, domain.PreferencesPatch{Notify: &none, Pinned: &yes})
	require.NoError(t, err)
	require.True(t, changed)
	require.Equal(t, domain.Preferences{Notify: none, Pinned: true}, p)
	_, changed, err = n.SetPreferences(t.Context(), user("alice"), id, domain.PreferencesPatch{Pinned: &yes})
	require.NoError(t, err)
	require.False(t, changed)
	require.Equal(t, p, n.preferences(t, "alice", id))
	require.Equal(t, domain.DefaultPreferences(), n.preferences(t, "bob", id), "they are one's own")

	page, err := n.Sync(t.Context(), domain.SyncQuery{User: "alice", Cursor: cursor, Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Conversations, 1, "and not of %s", other)
	require.Equal(t, p, page.Conversations[0].Preferences)

	for _, who := range []domain.Actor{user("eve"), {User: "shop", Backend: true}} {
		_, err = n.Preferences(t.Context(), who, id)
		require.ErrorIs(t, err, domain.ErrNotFound)
		_, _, err = n.SetPreferences(t.Context(), who, id, archived(true))
		require.ErrorIs(t, err, domain.ErrNotFound)
	}
}

func (n *node) cursorNow(t *testing.T, u domain.UserID) string {
	t.Helper()
	page, err := n.Sync(t.Context(), domain.SyncQuery{User: u, Limit: 100})
	require.NoError(t, err)
	require.True(t, page.Done)
	return page.Cursor
}

func TestArchivedComesBackWithAMessage(t *testing.T) {
	t.Parallel()
	n := start(t, pgtest.New(t))
	id := n.group(t, "alice", "bob", "carol")
	for round := range 2 {
		n.archive(t, "bob", id)
		n.archive(t, "carol", id)
		cursor := n.cursorNow(t, "carol")
		_, err := n.chat.AddMembers(t.Context(), user("alice"), id, []domain.UserID{domain.UserID(fmt.Sprint("u", round))}, domain.RoleMember)
		require.NoError(t, err)
		require.True(t, n.preferences(t, "bob", id).Archived, "only a message brings it back")
		n.post(t, "alice", id, fmt.Sprint("m", round), "x")
		for _, u := range []domain.UserID{"bob", "carol"} {
			require.False(t, n.preferences(t, u, id).Archived)
		}
		page, err := n.Sync(t.Context(), domain.SyncQuery{User: "carol", Cursor: cursor, Limit: 10})
		require.NoError(t, err)
		require.False(t, page.Conversations[0].Preferences.Archived)
	}
}

// Whoever archives while a message is being appended finds it back with the next
// one: never is it archived with the mark of it gone.
func TestArchivingRacesAMessage(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n := start(t, url)
	id := n.group(t, "alice", "bob", "carol")
	n.archive(t, "bob", id)

	conn, watch := connect(t, url), connect(t, url)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `UPDATE conversations SET message_count = message_count + 1 WHERE id = $1`, id)
	require.NoError(t, err, "as an append does before it commits")
	done := make(chan error, 1)
	go func() {
		_, _, err := n.SetPreferences(context.Background(), user("carol"), id, archived(true))
		done <- err
	}()
	require.Eventually(t, func() bool {
		var waiting bool
		require.NoError(t, watch.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND $1 = ANY (pg_blocking_pids(pid)))`, int32(conn.PgConn().PID())).Scan(&waiting))
		return waiting || len(done) > 0
	}, deadline, time.Millisecond)
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, wait(t, done))
	require.True(t, n.preferences(t, "carol", id).Archived)
	n.post(t, "alice", id, "m", "x")
	require.False(t, n.preferences(t, "carol", id).Archived)
}
