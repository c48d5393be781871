package read_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

func TestSignalScope(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	scope, err := n.SignalScope(t.Context(), "bob", id)
	require.NoError(t, err)
	require.Equal(t, domain.SignalScope{Members: 2, Receipts: true}, scope)
	_, err = n.SignalScope(t.Context(), "eve", id)
	require.ErrorIs(t, err, domain.ErrNotFound)
}
