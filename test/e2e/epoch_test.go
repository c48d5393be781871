package e2e

import (
	"context"
	"os/exec"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/domain"
)

// TestEpochChange: after the database was restored or failed over, every node closes its
// sockets with 4004 and refuses old cursors. Clients that sync again go on.
func TestEpochChange(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	id := one.direct("alice", "bob")
	alice, bob := connect(t, one.URL, "alice", "phone"), connect(t, two.URL, "bob", "phone")
	require.Empty(t, alice.post(id, "c-1", "x").Code)
	bob.waitEvent(id, 2)
	_, before := bob.sync("", 10)

	ctx := context.Background()
	db, err := pgx.Connect(ctx, c.database)
	require.NoError(t, err)
	_, err = db.Exec(ctx, "UPDATE epoch SET timeline = 'FFFFFFFF'")
	require.NoError(t, err)
	require.NoError(t, db.Close(ctx))

	require.Equal(t, 4004, alice.closed())
	require.Equal(t, 4004, bob.closed())
	alice, bob = connect(t, one.URL, "alice", "phone"), connect(t, two.URL, "bob", "phone")
	var refused syncPage
	bob.request(map[string]any{"type": "sync", "cursor": before.Cursor}).into(t, &refused)
	require.Equal(t, domain.CodeCursorInvalid, refused.Code)
	views, _ := bob.sync("", 10)
	require.Len(t, views, 1)
	a := alice.post(id, "c-2", "x")
	require.EqualValues(t, 3, a.Seq)
	requireDense(t, bob.waitEvent(id, 3), 3)
}

// TestEpochNew: the command im epoch new has the same effect as an epoch change that a node
// detects.
func TestEpochNew(t *testing.T) {
	c := newCluster(t)
	one := c.node("one")
	alice := connect(t, one.URL, "alice", "phone")
	command := exec.Command(binary, "epoch", "new")
	command.Env = c.env
	out, err := command.Output()
	require.NoError(t, err, "%s", out)
	require.Equal(t, 4004, alice.closed())

	var welcome struct{ Epoch string }
	again := dial(t, one.URL, nil)
	again.write(map[string]any{"type": "hello", "device_id": "phone", "token": userToken(t, "alice")})
	again.next("welcome").into(t, &welcome)
	require.Equal(t, welcome.Epoch+"\n", string(out))
}
