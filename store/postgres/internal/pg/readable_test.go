package pg

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

func TestReadable(t *testing.T) {
	t.Parallel()
	for url, expected := range map[string]string{
		"postgres://u:hush@127.0.0.1:1/x": "failed to connect to `user=u database=x`: 127.0.0.1:1: connection refused",
		"postgres://u:hush@127.0.0.1:1,127.0.0.1:2/x": "failed to connect to `user=u database=x`: " +
			"127.0.0.1:1: connection refused; 127.0.0.1:2: connection refused",
		"host=/nowhere user=u dbname=x": "failed to connect to `user=u database=x`: /nowhere/.s.PGSQL.5432: no such file or directory",
	} {
		_, err := pgconn.Connect(t.Context(), url)
		require.EqualError(t, Readable(err), expected)
		require.ErrorIs(t, Readable(err), err)
	}
	other := errors.New("a (b): c")
	require.Equal(t, other, Readable(other))
	require.NoError(t, Readable(nil))
	require.Equal(t, "failed: db (10.0.0.1:5432): FATAL: the database system is starting up (SQLSTATE 57P03)",
		readable("failed:\n\t10.0.0.1:5432 (db): server error: FATAL: the database system is starting up (SQLSTATE 57P03)\n"+
			"\t10.0.0.1:5432 (db): server error: FATAL: the database system is starting up (SQLSTATE 57P03)"))
	require.Equal(t, "failed: lookup nohost: no such host", readable("failed:\n\thostname resolving error: lookup nohost: no such host\n\tlookup nohost: no such host"))
}
