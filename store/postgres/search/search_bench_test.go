package search_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/pgtest"
	"im/test/storetest"
)

// BenchmarkSearch looks among 200,000 messages in 2,000 conversations, of which the
// user is in 20: for a word that every message has, a rare one, and Chinese.
func BenchmarkSearch(b *testing.B) {
	n := storetest.Start(b, pgtest.New(b))
	conn := storetest.Connect(b, n.URL)
	_, err := conn.Exec(b.Context(), `
		WITH c AS (
			INSERT INTO conversations (id, created_at, last_at, head_seq, version, message_count, last_message_seq, changed, member_count, kind, creator, settings)
			SELECT gen_random_uuid(), now(), now(), 101, 1, 100, 101, '3', 1, 'group', 'u', '{}' FROM generate_series(1, 2000) RETURNING id
		), m AS (
			INSERT INTO members (user_id, conversation_id, role, joined_seq, read_seq, read_message_no, changed)
			SELECT CASE WHEN row_number() OVER () <= 20 THEN 'alice' ELSE 'u' || row_number() OVER () END, id, 'member', 1, 1, 0, '3' FROM c
		)
		INSERT INTO events (conversation_id, seq, message_no, at, type, sender, client_msg_id, body)
		SELECT id, n + 1, n, now() - n * interval '1 minute', 'message.posted', 'u', 'm' || n, json_build_object('content', json_build_object('type', 'text',
			'text', 'hello word' || n || ' and word' || (n * 7919) % 5000 || ' 北京天安门' || chr(19968 + (n * 31) % 5000) || ' lorem ipsum dolor'))
		FROM c, generate_series(1, 100) AS n`)
	require.NoError(b, err)
	require.NoError(b, n.ReindexSearch(b.Context(), func(int64, int64) {}))
	_, err = conn.Exec(b.Context(), `ANALYZE`)
	require.NoError(b, err)
	for _, typed := range []string{"hello", "word42", "hel wor", "北京", "天", `"hello word7"`, "absent"} {
		for _, who := range []domain.Actor{storetest.User("alice"), {User: "backend", Backend: true}} {
			b.Run(fmt.Sprintf("%s/everywhere=%t", typed, who.Backend), func(b *testing.B) {
				for b.Loop() {
					_, err := n.SearchMessages(b.Context(), who, domain.SearchQuery{Text: typed, Limit: 100})
					require.NoError(b, err)
				}
			})
		}
	}
}

// BenchmarkIndex builds the index of 200 bytes a message.
func BenchmarkIndex(b *testing.B) {
	n := storetest.Start(b, pgtest.New(b))
	conn := storetest.Connect(b, n.URL)
	const messages = 5000
	fill(b, conn, n.Group(b, "alice"), messages)
	for b.Loop() {
		_, err := conn.Exec(b.Context(), `TRUNCATE search_messages`)
		require.NoError(b, err)
		require.NoError(b, n.ReindexSearch(b.Context(), func(int64, int64) {}))
	}
	b.ReportMetric(messages*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
