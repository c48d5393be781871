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

// A connection may keep a plan that it made when the tables were almost empty. So even
// such a plan must use indexes.
func TestLookupsUseIndexes(t *testing.T) {
	t.Parallel()
	conn := storetest.Connect(t, pgtest.New(t))
	queries := storetest.Statements(t, "..")
	for name, parameters := range map[string]string{
		"viewsSQL":       "'{}', '{}', ''",
		"timelinesSQL":   "'{}', '{}', '{}', 1",
		"lastEditsSQL":   "'{}', '{}', 1",
		"syncAllSQL":     "'a', null, 1, gen_random_uuid(), now()",
		"syncSinceSQL":   "'a', null, 1, gen_random_uuid(), '5:5:', now()",
		"syncChangedSQL": "'a', null, 1, gen_random_uuid(), '5:5:'",
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

// planOf returns the plan of a statement that is prepared and run in a transaction of
// lookups.
func planOf(t *testing.T, conn *pgx.Conn, sql, parameters string) string {
	run := func(sql string) {
		_, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		require.NoError(t, err)
	}
	run(pg.BeginLookup)
	defer run(`ROLLBACK`)
	run(`PREPARE lookup AS ` + sql)
	defer run(`DEALLOCATE lookup`)
	results, err := conn.PgConn().Exec(t.Context(), `EXPLAIN (COSTS OFF) EXECUTE lookup(`+parameters+`)`).ReadAll()
	require.NoError(t, err)
	var lines []string
	for _, row := range results[0].Rows {
		lines = append(lines, string(row[0]))
	}
	return strings.Join(lines, "\n")
}
