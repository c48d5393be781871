package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
)

func TestRoom(t *testing.T) {
	t.Parallel()
	n := start(t, pgtest.New(t))
	id := n.group(t, "alice", "bob")
	room, err := n.SignalScope(t.Context(), "bob", id)
	require.NoError(t, err)
	require.Equal(t, domain.SignalScope{Members: 2, Receipts: true}, room)
	_, err = n.SignalScope(t.Context(), "eve", id)
	require.ErrorIs(t, err, domain.ErrNotFound)
}
