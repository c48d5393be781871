package attachments_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/store/postgres/attachments"
	"im/test/pgtest"
	"im/test/storetest"
)

// The sweeps go by the index of what is due, however many attachments there are.
func TestSweepsGoByTheirIndex(t *testing.T) {
	t.Parallel()
	conn := storetest.Connect(t, pgtest.New(t))
	_, err := conn.Exec(t.Context(), `
		INSERT INTO attachments (attachment_id, upload_until, due_at, size, state, owner, name, mime, sha256)
		SELECT gen_random_uuid(), now(), 'infinity', 1, 'attached', 'alice', 'a', 'image/png', '' FROM generate_series(1, 20000);
		ANALYZE attachments`)
	require.NoError(t, err)
	for statement, args := range map[string]string{attachments.OrphansSQL: "100", attachments.ClaimSQL: "100, '30 s'"} {
		types := "(int)"
		if strings.Contains(args, ",") {
			types = "(int, interval)"
		}
		_, err := conn.Exec(t.Context(), "PREPARE sweep "+types+" AS "+statement)
		require.NoError(t, err)
		rows, err := conn.Query(t.Context(), "EXPLAIN EXECUTE sweep ("+args+")", pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err)
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		require.Contains(t, strings.Join(plan, "\n"), "using attachments_due", strings.Join(plan, "\n"))
		_, err = conn.Exec(t.Context(), "DEALLOCATE sweep")
		require.NoError(t, err)
	}
}
