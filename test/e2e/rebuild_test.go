package e2e

import (
	"context"
	"net/http"
	"os/exec"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// TestRebuildWhileNodesRun: im rebuild --verify finds damaged projections, and im rebuild
// repairs them. Every running node then answers correctly.
func TestRebuildWhileNodesRun(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")
	id := one.group("alice", "bob", "carol")
	alice := connect(t, one.URL, "alice", "phone")
	require.Empty(t, alice.post(id, "c-1", "x").Code)
	rebuild := func(args ...string) (string, error) {
		command := exec.Command(binary, append([]string{"rebuild"}, args...)...)
		command.Env = c.env
		out, err := command.Output()
		return string(out), err
	}
	out, err := rebuild("--verify")
	require.NoError(t, err, out)

	db, err := pgx.Connect(context.Background(), c.database)
	require.NoError(t, err)
	_, err = db.Exec(context.Background(), `DELETE FROM members WHERE user_id = 'bob'`)
	require.NoError(t, err)
	_, err = db.Exec(context.Background(), `UPDATE members SET role = 'member' WHERE user_id = 'alice'`)
	require.NoError(t, err)
	require.NoError(t, db.Close(context.Background()))
	path := "/v1/conversations/" + id.String()
	pin := path + "/messages/2/pin"
	status, _ := two.call("alice", "PUT", pin, nil)
	require.Equal(t, http.StatusForbidden, status)
	status, _ = two.call("bob", "GET", path, nil)
	require.Equal(t, http.StatusNotFound, status)
	out, err = rebuild("--verify")
	require.Error(t, err)
	require.Contains(t, out, "members, bob: missing")

	out, err = rebuild()
	require.NoError(t, err, out)
	for _, n := range []*testNode{one, two} {
		status, _ = n.call("bob", "GET", path, nil)
		require.Equal(t, http.StatusOK, status)
	}
	status, _ = two.call("alice", "PUT", pin, nil)
	require.Equal(t, http.StatusOK, status)
	require.Empty(t, alice.post(id, "c-2", "x").Code)
	out, err = rebuild("--verify")
	require.NoError(t, err, out)
}
