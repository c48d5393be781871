package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
)

// BenchmarkEvents reads a page of 1,000 messages.
func BenchmarkEvents(b *testing.B) {
	n := start(b, pgtest.New(b))
	n.quiet = true
	id := n.group(b, "alice", "bob")
	seed(b, n, `
INSERT INTO events (conversation_id, seq, message_no, at, type, sender, client_msg_id, body)
SELECT $1, 1 + i, i, now(), 'message.posted', 'alice', 'c-' || i,
	json_build_object('content', json_build_object('type', 'text', 'text', $2::text))
FROM generate_series(1, 1000) i`, id, strings.Repeat("x", 100))
	seed(b, n, `UPDATE conversations SET head_seq = 1001, message_count = 1000, last_message_seq = 1001 WHERE id = $1`, id)
	after := int64(1)
	b.ReportAllocs()
	for b.Loop() {
		page, err := n.Events(b.Context(), user("bob"), id, domain.Range{AfterSeq: &after, Limit: 1000})
		require.NoError(b, err)
		require.Len(b, page.Events, 1000)
	}
}

const seedDirectsSQL = `
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

// BenchmarkSync lists a user of 10,000 conversations with a message each: the first
// page, all pages, and what ten changes make of it.
func BenchmarkSync(b *testing.B) {
	n := start(b, pgtest.New(b))
	n.quiet = true
	seed(b, n, seedDirectsSQL, 10_000)
	seed(b, n, `ANALYZE`)
	whole := func(q domain.SyncQuery) (cursor string, listed int) {
		for {
			page, err := n.Sync(b.Context(), q)
			require.NoError(b, err)
			listed += len(page.Conversations)
			if q.Cursor = page.Cursor; page.Done {
				return q.Cursor, listed
			}
		}
	}
	q := domain.SyncQuery{User: "me", Device: "phone", Limit: domain.DefaultSyncPage}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			page, err := n.Sync(b.Context(), q)
			require.NoError(b, err)
			require.Len(b, page.Conversations, q.Limit)
		}
	})
	q.Limit = 500
	var cursor string
	b.Run("whole", func(b *testing.B) {
		var listed int
		for b.Loop() {
			cursor, listed = whole(q)
			require.Equal(b, 10_000, listed)
		}
	})
	b.Run("changes", func(b *testing.B) {
		seed(b, n, `
UPDATE conversations SET changed = pg_current_xact_id() WHERE id IN (SELECT id FROM conversations ORDER BY last_at LIMIT 10)`)
		since := q
		since.Cursor = cursor
		for b.Loop() {
			_, listed := whole(since)
			require.Equal(b, 10, listed)
		}
	})
}

// seed writes what would take long to append.
func seed(b *testing.B, n *node, sql string, args ...any) {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), n.url)
	require.NoError(b, err)
	defer func() { require.NoError(b, conn.Close(b.Context())) }()
	_, err = conn.Exec(b.Context(), sql, args...)
	require.NoError(b, err, fmt.Sprint(sql))
}
