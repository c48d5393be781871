package read_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

// BenchmarkEvents reads a page of 1,000 messages.
func BenchmarkEvents(b *testing.B) {
	n := storetest.Start(b, pgtest.New(b))
	n.Quiet = true
	id := n.Group(b, "alice", "bob")
	storetest.Seed(b, n, `
INSERT INTO events (conversation_id, seq, message_no, at, type, sender, client_msg_id, body)
SELECT $1, 1 + i, i, now(), 'message.posted', 'alice', 'c-' || i,
	json_build_object('content', json_build_object('type', 'text', 'text', $2::text))
FROM generate_series(1, 1000) i`, id, strings.Repeat("x", 100))
	storetest.Seed(b, n, `UPDATE conversations SET head_seq = 1001, message_count = 1000, last_message_seq = 1001 WHERE id = $1`, id)
	after := int64(1)
	b.ReportAllocs()
	for b.Loop() {
		page, err := n.Events(b.Context(), storetest.User("bob"), id, domain.Range{AfterSeq: &after, Limit: 1000})
		require.NoError(b, err)
		require.Len(b, page.Events, 1000)
	}
}

// BenchmarkSync syncs a user with 10,000 conversations of one message each: the first page,
// all pages, and the pages after ten changes.
func BenchmarkSync(b *testing.B) {
	n := storetest.Start(b, pgtest.New(b))
	n.Quiet = true
	storetest.Seed(b, n, storetest.SeedDirectsSQL, 10_000)
	storetest.Seed(b, n, `ANALYZE`)
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
		storetest.Seed(b, n, `
WITH changed AS (
	UPDATE conversations SET changed = pg_current_xact_id()
	WHERE id IN (SELECT id FROM conversations ORDER BY last_at LIMIT 10) RETURNING id, head_seq
)
INSERT INTO commits (batch, at, node, conversations, firsts, heads, membership)
SELECT gen_random_uuid(), now(), 'test', array_agg(id), array_agg(head_seq + 1), array_agg(head_seq), array_agg(false) FROM changed`)
		since := q
		since.Cursor = cursor
		for b.Loop() {
			_, listed := whole(since)
			require.Equal(b, 10, listed)
		}
	})
}
