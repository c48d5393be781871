package storetest

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// SeedDirectsSQL creates $1 direct conversations of the user "me" with a message each.
const SeedDirectsSQL = `
WITH made AS (
	INSERT INTO conversations (id, created_at, last_at, head_seq, version, message_count, last_message_seq, changed,
		member_count, kind, creator, direct_key, settings)
	SELECT gen_random_uuid(), now(), now() - i * interval '1 minute', 2, 1, 1, 2, pg_current_xact_id(), 2, 'direct', 'me',
		E'me\np' || i, '{"posting":"everyone","joining":"invite","history":"all","receipts":true}'
	FROM generate_series(1, $1::int) i
	RETURNING id, direct_key
), who AS (
	SELECT id, unnest(string_to_array(direct_key, E'\n')) AS user_id FROM made
), joined AS (
	INSERT INTO members (conversation_id, joined_seq, read_seq, read_message_no, changed, role, user_id)
	SELECT id, 1, 1, 0, pg_current_xact_id(), 'member', user_id FROM who
)
INSERT INTO events (conversation_id, seq, message_no, at, type, sender, client_msg_id, body)
SELECT id, 2, 1, now(), 'message.posted', 'me', 'c-1', '{"content":{"type":"text","text":"hello"}}'::json FROM made`

// Seed runs a statement that writes data whose append would take long.
func Seed(b *testing.B, n *Node, sql string, args ...any) {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), n.URL)
	require.NoError(b, err)
	defer func() { require.NoError(b, conn.Close(b.Context())) }()
	_, err = conn.Exec(b.Context(), sql, args...)
	require.NoError(b, err, fmt.Sprint(sql))
}
