package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"im/test/pgtest"
	"im/test/storetest"
)

// Every constant whose name ends in SQL is prepared by the server.
func TestEveryQueryPrepares(t *testing.T) {
	t.Parallel()
	conn := storetest.Connect(t, pgtest.New(t))
	queries := storetest.Statements(t, ".")
	require.Greater(t, len(queries), 20)
	for name, sql := range queries {
		_, err := conn.Prepare(t.Context(), name, sql)
		require.NoError(t, err, name)
	}
}
