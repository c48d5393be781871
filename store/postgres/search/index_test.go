package search_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres/search"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

// differences returns what VerifySearch reports. It reports an index that is behind
// after its last try.
func differences(t testing.TB, n *storetest.Node) (list []search.Difference) {
	t.Helper()
	require.NoError(t, n.VerifySearch(t.Context(), func(int64, int64) {}, func(d search.Difference) { list = append(list, d) }))
	return list
}

// I7: the index equals the log, whatever happened to messages and on which node.
func TestI7SearchIndexEqualsTheLog(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url)}
	var ids []domain.ConversationID
	for range 3 {
		ids = append(ids, nodes[0].Group(t, "alice", "bob"))
	}
	for i := range 60 {
		n, id := nodes[i%2], ids[i%3]
		e := n.Post(t, "alice", id, fmt.Sprint(i), fmt.Sprintf("number %d 北京", i))
		switch i % 5 {
		case 0:
			storetest.Made(t, domain.MessageEdited)(n.Edit("alice", id, e.Seq, "edited"))
		case 1:
			storetest.Made(t, domain.MessageRecalled)(nodes[1-i%2].Recall("alice", id, e.Seq))
		}
	}
	require.Empty(t, differences(t, nodes[0]))
	require.Empty(t, differences(t, nodes[1]))
}

func TestVerifySearchNamesWhatDiffers(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice")
	for i := range 4 {
		n.Post(t, "alice", id, fmt.Sprint(i), "needle")
	}
	n.WaitIndexed(t)
	_, err := storetest.Connect(t, n.URL).Exec(t.Context(), `
		WITH a AS (DELETE FROM search_messages WHERE conversation_id = $1 AND seq = 2),
			b AS (UPDATE search_messages SET terms = '''needles'':1' WHERE conversation_id = $1 AND seq = 3)
		INSERT INTO search_messages (conversation_id, seq, at, sender, terms) VALUES ($1, 99, now(), 'x', '''x'':1')`, id)
	require.NoError(t, err)
	want := []search.Difference{
		{ConversationID: id, Seq: 2, What: "missing"},
		{ConversationID: id, Seq: 3, What: "different"},
		{ConversationID: id, Seq: 99, What: "not in the log"},
	}
	require.Equal(t, want, differences(t, n))
	var done, total int64
	require.NoError(t, n.ReindexSearch(t.Context(), func(d, of int64) { done, total = d, of }))
	require.EqualValues(t, 5, done)
	require.Equal(t, done, total)
	require.Empty(t, differences(t, n))
	require.Len(t, n.Found(t, "alice", "needle"), 4)
}

// What was committed before there was an index, and more than is read at once.
func TestSearchIndexIsBuiltFromTheLog(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	conn := storetest.Connect(t, url)
	_, err := conn.Exec(t.Context(), `UPDATE search_position SET holder = 'slots';
		UPDATE search_slots SET holder = 'none', held_until = 'infinity'`)
	require.NoError(t, err)
	n := storetest.Start(t, url)
	id := n.Group(t, "alice")
	fill(t, conn, id, 2000)
	n.Post(t, "alice", id, "last", "posted needle")
	require.Empty(t, n.Found(t, "alice", "needle"))
	_, err = conn.Exec(t.Context(), `UPDATE search_slots SET held_until = now()`)
	require.NoError(t, err)
	eventually.True(t, "the index is built", func() bool {
		return len(n.Search(t, storetest.User("alice"), domain.SearchQuery{Text: "needle", Limit: 500}).Items) == 500
	})
	require.Empty(t, differences(t, n))
}

// execer is a connection or a transaction.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// fill writes messages of a group to the log alone, "needle number 1" and on, below
// a seq that is given to nothing else.
func fill(t testing.TB, db execer, id domain.ConversationID, count int) {
	t.Helper()
	_, err := db.Exec(t.Context(), `
		WITH m AS (
			INSERT INTO events (conversation_id, seq, message_no, at, type, sender, client_msg_id, body)
			SELECT $1, n + 1, n, now(), 'message.posted', 'alice', 'fill' || n,
				json_build_object('content', json_build_object('type', 'text', 'text', 'needle number ' || n))
			FROM generate_series(1, $2::int) AS n
		)
		UPDATE conversations SET head_seq = $2::int + 1, message_count = $2::int, last_message_seq = $2::int + 1 WHERE id = $1`, id, count)
	require.NoError(t, err)
}

// freezeLease has turns last for as long as a test needs, instead of 1.5 s, which a busy
// machine may take for anything: until it calls what is returned. Then anybody may take
// over.
func freezeLease(t *testing.T, conn *pgx.Conn) (end func()) {
	t.Helper()
	exec := func(sql string) {
		_, err := conn.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	exec(`CREATE FUNCTION last() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.held_until := ''infinity''; RETURN NEW; END'`)
	exec(`CREATE TRIGGER last BEFORE UPDATE ON search_slots FOR EACH ROW EXECUTE FUNCTION last()`)
	return func() {
		exec(`DROP TRIGGER last ON search_slots`)
		exec(`UPDATE search_slots SET held_until = clock_timestamp()`)
	}
}

// Whoever is at work may stop at any statement: what it has written stays, what it
// has not is written by the next one, and what it writes later is not taken.
func TestSearchIndexAfterACrash(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	n.WaitIndexed(t)
	end := freezeLease(t, storetest.Connect(t, n.URL))
	dead := n.Indexer()
	dead.TakeOver(t.Context())
	for i := range 5 {
		n.Post(t, "alice", id, fmt.Sprint(i), "needle")
	}
	require.NoError(t, dead.WriteSome(t.Context(), 2), "it ends between rows and position")
	require.Len(t, n.Found(t, "bob", "needle"), 2)
	end()
	eventually.True(t, "another takes over", func() bool { return len(n.Found(t, "bob", "needle")) == 5 })

	storetest.Made(t, domain.MessageRecalled)(n.Recall("alice", id, 2))
	eventually.True(t, "a recall is followed", func() bool { return len(n.Found(t, "bob", "needle")) == 4 })
	n.WaitIndexed(t)
	require.ErrorIs(t, dead.WriteAgain(t.Context()), search.ErrLeaseLost, "it comes back with what it read before the recall")
	require.Len(t, n.Found(t, "bob", "needle"), 4)
	require.Empty(t, differences(t, n))
}

// I9: a node that is stopped in the midst of it holds up neither search nor the
// index for longer than its turn, and is not waited for.
func TestI9SearchIndexIsTakenOver(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n := storetest.Start(t, url)
	id := n.Group(t, "alice")
	n.WaitIndexed(t)
	stopped := n.Indexer()
	stopped.TakeOver(t.Context())
	// And a transaction that holds the row, as one whose node was cut off does until
	// the server ends it.
	tx, err := storetest.Connect(t, url).Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM search_slots FOR UPDATE`)
	require.NoError(t, err)
	eventually.True(t, "its turn is over", func() (over bool) {
		require.NoError(t, n.LeasesExpired(t.Context(), &over))
		return over
	})
	held, err := n.Indexer().Acquire(t.Context())
	require.NoError(t, err, "whoever waited for the row would have met lock_timeout")
	require.Zero(t, held)
	require.NoError(t, tx.Rollback(t.Context()))
	n.Post(t, "alice", id, "1", "needle")
	eventually.True(t, "another takes over", func() bool { return len(n.Found(t, "alice", "needle")) == 1 })
}

func TestSearchIndexKeepsItsTurn(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	conn := storetest.Connect(t, n.URL)
	n.WaitIndexed(t) // what the first node does when it starts takes all slots away
	_, err := conn.Exec(t.Context(), `UPDATE search_slots SET turn = turn + 1, holder = 'other', held_until = 'infinity'`)
	require.NoError(t, err)
	atWork, next := n.Indexer(), n.Indexer()
	atWork.TakeOver(t.Context())
	require.NoError(t, atWork.Renew(t.Context()))
	var kept bool
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT bool_and(held_until < 'infinity') FROM search_slots`).Scan(&kept))
	require.True(t, kept)
	next.TakeOver(t.Context())
	require.ErrorIs(t, atWork.Renew(t.Context()), search.ErrLeaseLost)
}

func TestSearchIndexSeesWhatCommitsLate(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice")
	n.WaitIndexed(t)
	late, err := storetest.Connect(t, n.URL).Begin(t.Context())
	require.NoError(t, err)
	fill(t, late, id, 3)
	_, err = late.Exec(t.Context(), `INSERT INTO commits (batch, at, node, conversations, firsts, heads, membership)
		VALUES ($1, now(), 'late', ARRAY[$2::uuid], '{2}', '{4}', '{false}')`, uuid.New(), id)
	require.NoError(t, err)
	n.WaitIndexed(t)
	n.WaitIndexed(t)
	require.Empty(t, n.Found(t, "alice", "needle"))
	require.NoError(t, late.Commit(t.Context()))
	eventually.True(t, "what committed late is found", func() bool { return len(n.Found(t, "alice", "needle")) == 3 })
}

// A position that commits reach no more, a new epoch, other terms: each is a walk
// through the log, after which it is as the log is now.
func TestSearchIndexIsBuiltAnew(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]string{
		"commits were swept": `
			WITH gone AS (DELETE FROM commits RETURNING tx)
			UPDATE epoch SET feed_gone = (SELECT tx FROM gone ORDER BY tx DESC LIMIT 1)`,
		"a new epoch":       `SELECT im_new_epoch_1((SELECT epoch FROM epoch))`,
		"terms of before":   `UPDATE search_slots SET terms_version = terms_version - 1`,
		"an earlier state":  `UPDATE epoch SET timeline = '0000FFFF'`,
		"a broken position": `UPDATE search_slots SET position = 'x'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := storetest.Start(t, pgtest.New(t))
			conn := storetest.Connect(t, n.URL)
			id := n.Group(t, "alice")
			n.Post(t, "alice", id, "1", "needle")
			n.WaitIndexed(t)
			_, err := conn.Exec(t.Context(), `UPDATE search_slots SET holder = 'none', turn = turn + 1, held_until = 'infinity'`)
			require.NoError(t, err)
			n.Post(t, "alice", id, "2", "needle")
			// What the log has lost, and a conversation that it does not have.
			_, err = conn.Exec(t.Context(), `INSERT INTO search_messages (conversation_id, seq, at, sender, terms)
				SELECT c, 9, now(), 'alice', terms FROM search_messages, unnest(ARRAY[$1::uuid, $2]) AS c WHERE conversation_id = $1`,
				id, uuid.Max)
			require.NoError(t, err)
			_, err = conn.Exec(t.Context(), broken)
			require.NoError(t, err)
			_, err = conn.Exec(t.Context(), `UPDATE search_slots SET held_until = '-infinity'`)
			require.NoError(t, err)
			eventually.True(t, "the index equals the log", func() bool {
				var wrong int
				require.NoError(t, conn.QueryRow(context.Background(), `SELECT
					(SELECT count(*) FROM search_messages WHERE seq = 9) +
					(SELECT abs(2 - count(*)) FROM search_messages WHERE conversation_id = $1)`, id).Scan(&wrong))
				return wrong == 0
			})
			require.Empty(t, differences(t, n))
		})
	}
}

// A walk goes on from where it has come to, whoever goes on with it.
func TestSearchIndexWalkIsResumed(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	conn := storetest.Connect(t, url)
	_, err := conn.Exec(t.Context(), `UPDATE search_position SET holder = 'slots';
		UPDATE search_slots SET holder = 'none', held_until = 'infinity'`)
	require.NoError(t, err)
	n := storetest.Start(t, url)
	fill(t, conn, n.Group(t, "alice"), 1500)
	end := freezeLease(t, conn)
	first := n.Indexer()
	first.TakeOver(t.Context())
	require.NoError(t, first.Follow(t.Context()))
	more, err := first.Scan(t.Context())
	require.NoError(t, err)
	require.True(t, more)
	var seq, walked int64
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT max(walked_seq), sum(walked)::bigint FROM search_slots`).Scan(&seq, &walked))
	require.EqualValues(t, 513, seq)
	require.EqualValues(t, 512, walked)
	end()
	eventually.True(t, "another goes on", func() bool {
		require.NoError(t, conn.QueryRow(context.Background(), `SELECT CASE WHEN bool_or(walking) THEN 0 ELSE sum(walked) END::bigint FROM search_slots`).Scan(&walked))
		return walked > 0
	})
	require.EqualValues(t, 1500, walked, "each message once")
	require.Empty(t, differences(t, n))
}

// A node of an older version leaves the index to those that know its terms.
func TestSearchIndexOfANewerVersionIsLeftAlone(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	n.WaitIndexed(t)
	_, err := storetest.Connect(t, n.URL).Exec(t.Context(), `UPDATE search_slots SET terms_version = 1000, held_until = '-infinity'`)
	require.NoError(t, err)
	held, err := n.Indexer().Acquire(t.Context())
	require.NoError(t, err)
	require.Zero(t, held)
}

// After an upgrade that changes the terms, the index is built again in the background, and
// what it held stays searchable.
func TestSearchIndexOfEarlierTermsIsRebuilt(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	conn := storetest.Connect(t, n.URL)
	id := n.Group(t, "alice")
	for i := range 1500 { // more than is read at once
		n.Post(t, "alice", id, fmt.Sprint(i), "Łódź needle")
	}
	n.WaitIndexed(t)
	_, err := conn.Exec(t.Context(), `UPDATE search_slots SET holder = 'none', turn = turn + 1, held_until = 'infinity'`)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `UPDATE search_messages SET terms = ts_delete(terms, 'lodz') || $1::text::tsvector`, `'łodz':1`)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `UPDATE search_slots SET terms_version = 1, held_until = '-infinity'`)
	require.NoError(t, err)
	found := func(typed string) int {
		return len(n.Search(t, storetest.User("alice"), domain.SearchQuery{Text: typed, Limit: 500}).Items)
	}
	eventually.True(t, "the index has the new terms", func() bool {
		require.Equal(t, 500, found("needle"), "the index stays searchable")
		return found("lodz") == 500
	})
	require.Empty(t, differences(t, n))
}
