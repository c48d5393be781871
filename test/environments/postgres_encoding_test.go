package environments

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// On a server whose databases are not UTF-8 by default, a node creates one that is, and
// refuses one that is not.
func TestPostgresEncoding(t *testing.T) {
	t.Parallel()
	s := startPostgres(t, "--encoding=SQL_ASCII", "--locale=C")
	c := newTestCluster(t)
	n := c.node("one", "IM_DATABASE_URL="+s.url("made by the node"))
	requireConversation(t, n)
	require.Equal(t, "UTF8", s.query(`SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'made by the node'`))

	for _, encoding := range []string{"SQL_ASCII", "LATIN1", "EUC_JP", "WIN1252"} {
		name := "in_" + encoding
		conn, err := pgx.Connect(t.Context(), s.url("postgres"))
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+" TEMPLATE template0 ENCODING '"+encoding+"'")
		require.NoError(t, err)
		require.NoError(t, conn.Close(context.Background()))
		for _, migrate := range []string{"auto", "off"} {
			said := c.refused("IM_DATABASE_URL="+s.url(name), "IM_MIGRATE="+migrate)
			require.Contains(t, said, name)
			require.Contains(t, said, encoding)
			require.Contains(t, said, "ENCODING 'UTF8'")
		}
	}
}
