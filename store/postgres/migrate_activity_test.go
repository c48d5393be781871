package postgres_test

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres"
	"im/test/pgtest"
	"im/test/storetest"
)

// Conversations that were there before are listed by their messages and joinings too, and
// those to which a node of the version before appends.
func TestMigrationOfActivity(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n := storetest.Start(t, url)
	bob := storetest.User("bob")
	var ids []domain.ConversationID
	for range 520 { // more than the migration changes at once
		id := n.Group(t, "alice", "bob")
		n.Post(t, "alice", id, "1", "hello")
		ids = append(ids, id)
	}
	empty := n.Group(t, "alice", "bob")
	for _, id := range append([]domain.ConversationID{empty}, ids[:20]...) {
		storetest.Made(t, domain.ConversationUpdated)(n.Chat.Update(t.Context(), storetest.User("alice"), id, domain.Changes{
			Title: domain.Field[string]{Set: true, Value: new("later")},
		}))
	}
	page, err := n.Conversations(t.Context(), bob, "", "", 1000)
	require.NoError(t, err)
	want := fmt.Sprint(idsOf(page.Items))

	conn := storetest.Connect(t, url)
	migrateTo(t, conn, 5)
	require.NoError(t, postgres.Migrate(t.Context(), postgres.MigrateOptions{URL: url, Logger: slog.New(slog.DiscardHandler)}))
	n = storetest.Start(t, url)
	page, err = n.Conversations(t.Context(), bob, "", "", 1000)
	require.NoError(t, err)
	require.Equal(t, want, fmt.Sprint(idsOf(page.Items)))
	require.Equal(t, empty, page.Items[0].ConversationID)
	requireNoDifference(t, n)
}

func idsOf(views []domain.ConversationView) (ids []domain.ConversationID) {
	for _, v := range views {
		ids = append(ids, v.ConversationID)
	}
	return ids
}

// A migration that runs outside a transaction may have stopped anywhere: it can be run
// again.
func TestMigrationsRunAgain(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n := storetest.Start(t, url)
	n.Post(t, "alice", n.Group(t, "alice", "bob"), "1", "hello")
	conn := storetest.Connect(t, url)
	for _, again := range []int32{5, 6} {
		_, err := conn.Exec(t.Context(), `UPDATE im_schema_version SET version = $1`, again-1)
		require.NoError(t, err)
		migrateTo(t, conn, again)
	}
	_, err := conn.Exec(t.Context(), `UPDATE im_schema_version SET version = 7`)
	require.NoError(t, err)
	n.Post(t, "bob", n.Group(t, "alice", "bob"), "1", "hello")
	requireNoDifference(t, n)
}
