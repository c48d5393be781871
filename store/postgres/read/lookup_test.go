package read_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/store/postgres/internal/pg"
	"im/test/pgtest"
	"im/test/storetest"
)

// TestLookupsGoByIndexes: a connection may keep the plan that it made when there was
// next to nothing in the tables.
func TestLookupsGoByIndexes(t *testing.T) {
	t.Parallel()
	conn := storetest.Connect(t, pgtest.New(t))
	queries := storetest.Statements(t, "..")
	for name, parameters := range map[string]string{
		"viewsSQL":       "'{}', '{}', ''",
		"timelinesSQL":   "'{}', '{}', '{}', 1",
		"lastEditsSQL":   "'{}', '{}', 1",
		"syncAllSQL":     "'a', null, now(), gen_random_uuid(), 1",
		"syncSinceSQL":   "'a', null, now(), gen_random_uuid(), 1, '5:5:'",
		"syncChangedSQL": "'a', null, gen_random_uuid(), 1, '5:5:'",
	} {
		plan := planOf(t, conn, queries["read."+name], parameters)
		for _, table := range []string{"members", "conversations", "events", "message_states", "mentions", "device_cursors"} {
			require.NotContains(t, plan, "Seq Scan on "+table, "%s\n%s", name, plan)
		}
		for _, step := range []string{"Hash Join", "Hash Left Join", "Materialize", "Bitmap Heap Scan", "JIT"} {
			require.NotContains(t, plan, step, "%s\n%s", name, plan)
		}
	}
}

// planOf is how a statement runs that is prepared and run as lookups are.
func planOf(t *testing.T, conn *pgx.Conn, sql, parameters string) string {
	run := func(sql string) {
		_, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		require.NoError(t, err)
	}
	run(pg.BeginLookup)
	defer run(`ROLLBACK`)
	run(`PREPARE looking AS ` + sql)
	defer run(`DEALLOCATE looking`)
	results, err := conn.PgConn().Exec(t.Context(), `EXPLAIN (COSTS OFF) EXECUTE looking(`+parameters+`)`).ReadAll()
	require.NoError(t, err)
	var lines []string
	for _, row := range results[0].Rows {
		lines = append(lines, string(row[0]))
	}
	return strings.Join(lines, "\n")
}
