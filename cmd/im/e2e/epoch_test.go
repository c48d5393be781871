package e2e

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/domain"
)

// TestEpochChange: when the database turns out to be another one than it was (a
// restore, a failover), every node closes its sockets with 4004, old cursors are
// refused, and clients that sync anew go on.
func TestEpochChange(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	id := one.direct("alice", "bob")
	alice, bob := connect(t, one.url, "alice", "phone"), connect(t, two.url, "bob", "phone")
	require.Empty(t, alice.post(id, "c-1", "x").Code)
	bob.until(id, 2)
	_, before := bob.sync("", 10)

	ctx := context.Background()
	db, err := pgx.Connect(ctx, c.database)
	require.NoError(t, err)
	_, err = db.Exec(ctx, "UPDATE epoch SET timeline = 'FFFFFFFF'")
	require.NoError(t, err)
	require.NoError(t, db.Close(ctx))

	require.Equal(t, 4004, alice.closed())
	require.Equal(t, 4004, bob.closed())
	alice, bob = connect(t, one.url, "alice", "phone"), connect(t, two.url, "bob", "phone")
	var refused syncPage
	bob.request(map[string]any{"type": "sync", "cursor": before.Cursor}).into(t, &refused)
	require.Equal(t, domain.CodeCursorInvalid, refused.Code)
	views, _ := bob.sync("", 10)
	require.Len(t, views, 1)
	a := alice.post(id, "c-2", "x")
	require.EqualValues(t, 3, a.Seq)
	requireDense(t, bob.until(id, 3), 3)
}
