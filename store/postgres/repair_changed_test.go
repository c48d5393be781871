package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

// future is a transaction that no server of a test reaches.
const future = "1099511627783"

// restored makes all rows look as if they came from a server with higher transaction ids.
func restored(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	for _, table := range []string{"conversations", "members"} {
		_, err := conn.Exec(t.Context(), "UPDATE "+table+" SET changed = '"+future+"'")
		require.NoError(t, err)
	}
}

// ahead counts the rows that name a transaction of the future.
func ahead(t *testing.T, conn *pgx.Conn) (rows int) {
	t.Helper()
	require.NoError(t, conn.QueryRow(t.Context(), `
		SELECT (SELECT count(*) FROM conversations WHERE changed = '`+future+`')
			+ (SELECT count(*) FROM members WHERE changed = '`+future+`')`).Scan(&rows))
	return rows
}

// awaitRepair waits until the repair for the present epoch is done.
func awaitRepair(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	eventually.True(t, "the repair is done", func() (done bool) {
		require.NoError(t, conn.QueryRow(t.Context(), `
			SELECT EXISTS (SELECT FROM changed_repair r JOIN epoch e ON r.epoch = e.epoch WHERE r.step = 'done')`).Scan(&done))
		return done
	})
}

func syncBob(t *testing.T, n *storetest.Node, cursor string) domain.SyncPage {
	t.Helper()
	page, err := n.Sync(t.Context(), domain.SyncQuery{User: "bob", Cursor: cursor, Limit: 100})
	require.NoError(t, err)
	require.True(t, page.Done)
	return page
}

// A sync is right while rows are not repaired yet: it lists no row for a transaction of
// the future, and lists the row as soon as it really changes.
func TestSyncAmongRestoredRows(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	conn := storetest.Connect(t, n.URL)
	a, b, left := n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob")
	_, err := n.Chat.RemoveMember(t.Context(), storetest.User("bob"), left, "bob")
	require.NoError(t, err)
	awaitRepair(t, conn) // from now on, this epoch has none
	restored(t, conn)

	first := syncBob(t, n, "")
	require.Len(t, first.Conversations, 2)
	second := syncBob(t, n, first.Cursor)
	require.Empty(t, second.Conversations)
	require.Empty(t, second.Removed)
	n.Post(t, "alice", a, "m", "x")
	third := syncBob(t, n, second.Cursor)
	require.Len(t, third.Conversations, 1)
	require.Equal(t, a, third.Conversations[0].ConversationID)
	_, err = n.Chat.RemoveMember(t.Context(), storetest.User("alice"), b, "bob")
	require.NoError(t, err)
	fourth := syncBob(t, n, third.Cursor)
	require.Equal(t, []domain.ConversationID{b}, fourth.Removed)
	require.Empty(t, syncBob(t, n, fourth.Cursor).Removed)
	require.Positive(t, ahead(t, conn), "rows are still as they were restored")
}

// In several pages, too.
func TestSyncPagesAmongRestoredRows(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	conn := storetest.Connect(t, n.URL)
	for range 3 {
		n.Group(t, "alice", "bob")
	}
	awaitRepair(t, conn)
	restored(t, conn)
	for _, cursor := range []string{"", syncBob(t, n, "").Cursor} {
		listed := 0
		for pages := 0; ; pages++ {
			require.Less(t, pages, 10)
			page, err := n.Sync(t.Context(), domain.SyncQuery{User: "bob", Cursor: cursor, Limit: 1})
			require.NoError(t, err)
			listed += len(page.Conversations)
			cursor = page.Cursor
			if page.Done {
				break
			}
		}
		if listed != 0 {
			require.Equal(t, 3, listed, "the first phase lists everything, the second nothing more")
		}
	}
}

// A new epoch makes one of the nodes repair the rows, once.
func TestRepairAfterANewEpoch(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url)}
	conn := storetest.Connect(t, url)
	for range 10 {
		nodes[0].Group(t, "alice", "bob")
	}
	awaitRepair(t, conn)
	restored(t, conn)
	_, err := conn.Exec(t.Context(), `DELETE FROM changed_repair`) // an older dump has no such table
	require.NoError(t, err)
	_, err = nodes[1].NewEpoch(t.Context())
	require.NoError(t, err)
	awaitRepair(t, conn)
	require.Zero(t, ahead(t, conn))
	cursor := syncBob(t, nodes[0], "").Cursor
	require.Empty(t, syncBob(t, nodes[0], cursor).Conversations)
}

// The repair goes on where it was interrupted, in bounded steps.
func TestRepairInSteps(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	conn := storetest.Connect(t, n.URL)
	for range 10 {
		n.Group(t, "alice", "bob", "carol")
	}
	awaitRepair(t, conn)
	restored(t, conn)
	beginRepair(t, conn, "conversations")
	steps, total := 0, int64(0)
	for {
		done, repaired, err := n.RepairStep(t.Context(), 4)
		require.NoError(t, err)
		require.LessOrEqual(t, repaired, int64(4))
		total += repaired
		if steps++; done {
			break
		}
	}
	require.EqualValues(t, 10+30, total)
	require.Equal(t, 3+1+8+1, steps)
	require.Zero(t, ahead(t, conn))
	done, repaired, err := n.RepairStep(t.Context(), 4)
	require.NoError(t, err)
	require.True(t, done)
	require.Zero(t, repaired)
}

// beginRepair begins a repair that no node does by itself, at a step.
func beginRepair(t *testing.T, conn *pgx.Conn, step string) {
	t.Helper()
	_, err := conn.Exec(t.Context(), `UPDATE changed_repair SET step = $1, user_id = '',
		conversation_id = '00000000-0000-0000-0000-000000000000'`, step)
	require.NoError(t, err)
}

// A row that changes while the repair waits for its lock keeps its transaction: otherwise
// a sync would miss the change.
func TestRepairLeavesChangesAlone(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	conn, other := storetest.Connect(t, n.URL), storetest.Connect(t, n.URL)
	n.Group(t, "alice", "bob")
	awaitRepair(t, conn)
	for _, table := range []string{"conversations", "members"} {
		restored(t, conn)
		beginRepair(t, conn, table)
		// Nothing commits after this transaction has begun, unless another test does so. It
		// is of the future for the statement that waits for it.
		tx, err := other.Begin(t.Context())
		require.NoError(t, err)
		var changed string
		require.NoError(t, tx.QueryRow(t.Context(), "WITH w AS (UPDATE "+table+` SET changed = pg_current_xact_id() RETURNING changed)
			SELECT changed::text FROM w LIMIT 1`).Scan(&changed))
		repaired := make(chan error, 1)
		go func() {
			for {
				done, _, err := n.RepairStep(context.Background(), 100)
				if done || err != nil {
					repaired <- err
					return
				}
			}
		}()
		eventually.True(t, "the repair waits for the lock", func() (waits bool) {
			require.NoError(t, conn.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity
				WHERE datname = current_database() AND query LIKE '%im_repair_changed_1%' AND wait_event_type = 'Lock' AND pid <> pg_backend_pid())`).Scan(&waits))
			return waits
		})
		require.NoError(t, tx.Commit(t.Context()))
		require.NoError(t, storetest.Wait(t, repaired))
		var after string
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT min(changed::text) FROM "+table).Scan(&after))
		require.Equal(t, changed, after, table)
	}
}
