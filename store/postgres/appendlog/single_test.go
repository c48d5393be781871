package appendlog_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"im/domain"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

const (
	oneOfBatchSQL = `
SELECT statuses[1], seqs[1], ats[1] FROM im_append_1(
	p_batch => $1, p_node => 'n', p_conversation_ids => ARRAY[$2::uuid], p_versions => ARRAY[$3::bigint],
	p_conversation => '{1}', p_type => '{message.posted}', p_sender => ARRAY[$4], p_client_msg_id => ARRAY[$5], p_hash => ARRAY[$6::bytea],
	p_body => ARRAY[$7], p_about_seq => ARRAY[$8::bigint],
	p_mentions => null, p_members => null, p_updates => null, p_targets => null)`

	oneMessageSQL = `
SELECT status, seq, at FROM im_append_message_1(
	p_batch => $1, p_node => 'n', p_conversation_id => $2, p_version => $3,
	p_sender => $4, p_client_msg_id => $5, p_hash => $6, p_body => $7, p_reply_to => $8)`

	// All that an append writes, without ids and times.
	appendedSQL = `
SELECT (SELECT json_agg(json_build_array(seq, message_no, type, sender, client_msg_id, hash, body, target_seq) ORDER BY seq) FROM events WHERE conversation_id = $1)::text,
	(SELECT json_build_array(head_seq, version, message_count, last_message_seq, member_count, archived,
			last_at = (SELECT max(at) FROM events WHERE conversation_id = $1),
			last_message_at = (SELECT max(at) FROM events WHERE conversation_id = $1 AND type = 'message.posted')) FROM conversations WHERE id = $1)::text,
	(SELECT json_agg(json_build_array(user_id, read_seq, read_message_no, posted_seq, left_seq, archived) ORDER BY user_id)
		FROM members WHERE conversation_id = $1)::text,
	(SELECT json_agg(json_build_array(node, firsts, heads, membership) ORDER BY heads) FROM commits WHERE $1 = ANY (conversations))::text`
)

// TestSingleMessageIsWrittenAsABatchIs: both functions give the same answers to the same
// messages, and write the same rows: repetitions, replies, stale versions, former members
// and archived conversations included.
func TestSingleMessageIsWrittenAsABatchIs(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n := storetest.Start(t, url)
	conn := storetest.Connect(t, url)
	rapid.Check(t, func(r *rapid.T) {
		ids := []domain.ConversationID{n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob")}
		var version int64
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT version FROM conversations WHERE id = $1`, ids[0]).Scan(&version))
		if rapid.Bool().Draw(r, "archived") {
			for _, id := range ids {
				_, err := conn.Exec(t.Context(), `SELECT im_set_preferences_1('bob', $1, null, null, true)`, id)
				require.NoError(t, err)
			}
		}
		if rapid.Bool().Draw(r, "removed") {
			_, err := conn.Exec(t.Context(), `UPDATE members SET left_seq = 1 WHERE user_id = 'bob' AND conversation_id = ANY ($1)`, ids)
			require.NoError(t, err)
		}
		for range rapid.IntRange(1, 12).Draw(r, "messages") {
			decidedOn := rapid.SampledFrom([]int64{version, version, version, version + 1}).Draw(r, "version")
			sender := rapid.SampledFrom([]string{"alice", "bob"}).Draw(r, "sender")
			key := rapid.SampledFrom([]string{"a", "b", "c", "d", ""}).Draw(r, "key")
			replyTo := rapid.Int64Range(-1, 6).Draw(r, "reply to")
			var got [2][]any
			for i, sql := range []string{oneOfBatchSQL, oneMessageSQL} {
				var status, seq int64
				var at time.Time
				row := conn.QueryRow(t.Context(), sql, uuid.New(), ids[i], decidedOn, sender, key, []byte(key), fmt.Sprintf(`{"key": %q}`, key), max(replyTo, 0))
				require.NoError(t, row.Scan(&status, &seq, &at))
				got[i] = []any{status, seq, !at.IsZero()}
			}
			require.Equal(t, got[0], got[1])
		}
		require.Equal(t, written(t, conn, ids[0]), written(t, conn, ids[1]))
	})
}

// written returns the rows of a conversation as text.
func written(t *testing.T, conn *pgx.Conn, id domain.ConversationID) (rows [4]*string) {
	t.Helper()
	require.NoError(t, conn.QueryRow(t.Context(), appendedSQL, id).Scan(&rows[0], &rows[1], &rows[2], &rows[3]))
	return rows
}

// TestI3SingleMessageWaitsForItsTwin: a message that waits for the head while another node
// commits the same message finds it, though its statement began before.
func TestI3SingleMessageWaitsForItsTwin(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n := storetest.Start(t, url)
	id := n.Group(t, "alice", "bob")
	first, second, watch := storetest.Connect(t, url), storetest.Connect(t, url), storetest.Connect(t, url)
	var version int64
	require.NoError(t, watch.QueryRow(t.Context(), `SELECT version FROM conversations WHERE id = $1`, id).Scan(&version))
	write := func(query func(ctx context.Context, sql string, args ...any) pgx.Row) (got [2]int64, err error) {
		var at time.Time
		err = query(t.Context(), oneMessageSQL, uuid.New(), id, version, "alice", "key", []byte("h"), "{}", 0).Scan(&got[0], &got[1], &at)
		return got, err
	}
	tx, err := first.Begin(t.Context())
	require.NoError(t, err)
	got, err := write(tx.QueryRow)
	require.NoError(t, err)
	require.Equal(t, [2]int64{0, 2}, got)
	twin := make(chan [2]int64, 1)
	go func() {
		got, err := write(second.QueryRow)
		if err != nil {
			t.Error(err)
		}
		twin <- got
	}()
	eventually.True(t, "the twin waits for the head", func() (waits bool) {
		require.NoError(t, watch.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE pid = $1 AND wait_event_type = 'Lock')`, second.PgConn().PID()).Scan(&waits))
		return waits
	})
	require.NoError(t, tx.Commit(t.Context()))
	require.Equal(t, [2]int64{1, 2}, storetest.Wait(t, twin))
}
