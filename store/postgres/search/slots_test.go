package search_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres/search"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

// groups makes a conversation in each slot.
func groups(t *testing.T, n *storetest.Node) (ids [search.Slots]domain.ConversationID) {
	for left := search.Slots; left > 0; {
		id := n.Group(t, "alice")
		if at := &ids[search.SlotOf(id)]; *at == (domain.ConversationID{}) {
			*at = id
			left--
		}
	}
	return ids
}

// Nodes that come and go divide the slots. Each message is indexed once, and none is
// skipped, though positions differ, a node stops in the midst of its work, and what it
// writes after that comes late.
func TestSearchIndexIsShared(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	conn := storetest.Connect(t, url)
	exec := func(sql string, args ...any) {
		_, err := conn.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	n := storetest.Start(t, url)
	n.WaitIndexed(t)
	ids := groups(t, n)
	n.WaitIndexed(t)
	acquire := func(x *search.Indexer, want int) {
		t.Helper()
		held, err := x.Acquire(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, held)
	}
	post := func(key string) {
		for i, id := range ids {
			n.Post(t, "alice", id, key, fmt.Sprint("needle ", key, i))
		}
	}
	found := func(key string) int { return len(n.Found(t, "alice", "needle "+key)) }

	// Leases last until the test ends them, and only its own indexers get any.
	a, b := n.Indexer(), n.Indexer()
	exec(fmt.Sprintf(`
		CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.holder NOT IN ('', 'other', '%[1]s', '%[2]s') THEN RETURN NULL; END IF;
			IF NEW.held_until > '-infinity' THEN NEW.held_until := 'infinity'; END IF;
			RETURN NEW;
		END $$;
		CREATE TRIGGER hold BEFORE UPDATE ON search_slots FOR EACH ROW EXECUTE FUNCTION hold();
		CREATE FUNCTION know() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.name NOT IN ('%[1]s', '%[2]s') THEN RETURN NULL; END IF;
			NEW.until := 'infinity';
			RETURN NEW;
		END $$;
		CREATE TRIGGER know BEFORE INSERT OR UPDATE ON search_nodes FOR EACH ROW EXECUTE FUNCTION know();
		UPDATE search_slots SET turn = turn + 1, held_until = CASE WHEN slot < 8 THEN '-infinity' ELSE 'infinity' END::timestamptz, holder = 'other';
		DELETE FROM search_nodes`, a.Name(), b.Name()))
	acquire(a, 8)
	post("one")
	require.NoError(t, a.Follow(t.Context()))
	require.Equal(t, 8, found("one"), "the slots that it holds")
	post("two")
	exec(`UPDATE search_slots SET held_until = '-infinity', holder = '' WHERE slot >= 8`)
	acquire(b, 8)
	require.NoError(t, b.Follow(t.Context()))
	require.Equal(t, 16, found("one"), "and the others, from where they were")
	require.Equal(t, 8, found("two"))
	post("more")
	require.NoError(t, a.Follow(t.Context()))
	require.Equal(t, 16, found("two"))
	require.NoError(t, b.WriteSome(t.Context(), 1), "it ends in the midst of its work")
	exec(`DELETE FROM search_nodes WHERE name <> (SELECT holder FROM search_slots WHERE slot = 0)`)
	exec(`UPDATE search_slots SET held_until = '-infinity' WHERE slot >= 8`)
	acquire(a, 16)
	require.NoError(t, a.Follow(t.Context()))
	require.Equal(t, 16, found("more"), "from the older positions, too")
	storetest.Made(t, domain.MessageRecalled)(n.Recall("alice", ids[15], 3))
	require.NoError(t, a.Follow(t.Context()))
	require.ErrorIs(t, b.WriteAgain(t.Context()), search.ErrLeaseLost)
	require.Equal(t, 15, found("two"))

	acquire(b, 0)
	acquire(a, 8)
	acquire(b, 8)
	post("three")
	require.NoError(t, a.Follow(t.Context()))
	require.NoError(t, b.Follow(t.Context()))
	require.Equal(t, 16, found("three"))
	require.Empty(t, differences(t, n))
}

// previous is an indexer of the version before, which holds the whole index.
const previousAcquireSQL = `
UPDATE search_position SET
	turn = turn + CASE WHEN holder = $1 AND turn = $2 THEN 0 ELSE 1 END,
	holder = $1, held_until = clock_timestamp() + interval '1500 ms'
WHERE the_one = (
	SELECT the_one FROM search_position
	WHERE (holder = $1 AND turn = $2 OR held_until < clock_timestamp()) AND terms_version <= $3
	FOR UPDATE SKIP LOCKED
)
RETURNING turn, position`

// A node of the version before leaves the index alone while a node of this version runs.
// After that it goes on from where the slots have come to, and back again.
func TestSearchIndexBesideTheVersionBefore(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	conn := storetest.Connect(t, url)
	n := storetest.Start(t, url)
	id := n.Group(t, "alice")
	n.Post(t, "alice", id, "1", "needle")
	n.WaitIndexed(t)
	stale := n.Indexer()
	stale.TakeOver(t.Context())
	require.NoError(t, stale.Summarize(t.Context()))
	var position string
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT position FROM search_position WHERE NOT walking`).Scan(&position))
	require.NotEmpty(t, position)

	var turn int64
	take := func() bool {
		return conn.QueryRow(context.Background(), previousAcquireSQL, "old", turn, search.TermsVersion).Scan(&turn, &position) == nil
	}
	var held string
	eventually.True(t, "a node of this version holds the whole", func() bool {
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT holder FROM search_position WHERE held_until > clock_timestamp()
			UNION ALL SELECT '' LIMIT 1`).Scan(&held))
		return held == "slots"
	})
	eventually.True(t, "the version before takes over, as if no node of this one ran", func() bool {
		_, err := conn.Exec(t.Context(), `UPDATE search_position SET held_until = '-infinity'`)
		require.NoError(t, err)
		return take()
	})
	require.ErrorIs(t, stale.Renew(t.Context()), search.ErrLeaseLost, "the slots are fenced off")
	_, err := conn.Exec(t.Context(), `UPDATE search_position SET held_until = 'infinity' WHERE holder = 'old'`)
	require.NoError(t, err)
	slots, err := stale.Acquire(t.Context())
	require.NoError(t, err)
	require.Zero(t, slots, "a node of the version before holds the index")

	n.Post(t, "alice", id, "2", "needle")
	_, err = conn.Exec(t.Context(), `UPDATE search_position SET held_until = '-infinity'`)
	require.NoError(t, err)
	eventually.True(t, "this version goes on", func() bool { return len(n.Found(t, "alice", "needle")) == 2 })
	n.WaitIndexed(t)
	var scanned int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM search_slots WHERE walking OR position = ''`).Scan(&scanned))
	require.Zero(t, scanned, "without a new scan")
	require.Empty(t, differences(t, n))
}

// The summary of the slots never claims more than they have.
func TestSearchSummary(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	conn := storetest.Connect(t, n.URL)
	n.WaitIndexed(t)
	x := n.Indexer()
	_, err := conn.Exec(t.Context(), `UPDATE search_slots SET holder = 'none', turn = turn + 1, held_until = 'infinity'`)
	require.NoError(t, err)
	old, err := n.Feed(t.Context(), "")
	require.NoError(t, err)
	n.Group(t, "alice")
	late, err := n.Feed(t.Context(), "")
	require.NoError(t, err)
	whole := func() (position string, walking bool, seq int64) {
		t.Helper()
		require.NoError(t, x.Summarize(t.Context()))
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT position, walking, walked_seq FROM search_position`).Scan(&position, &walking, &seq))
		return position, walking, seq
	}
	_, err = conn.Exec(t.Context(), `UPDATE search_slots SET walking = slot IN (3, 4), walked_seq = slot,
		position = CASE slot WHEN 5 THEN $1 ELSE $2 END`, string(old.Position), string(late.Position))
	require.NoError(t, err)
	position, walking, seq := whole()
	require.Equal(t, string(old.Position), position)
	require.True(t, walking)
	require.EqualValues(t, 3, seq)
	_, err = conn.Exec(t.Context(), `UPDATE search_slots SET walking = false, epoch = 'other', position = $1 WHERE slot = 5`, string(late.Position))
	require.NoError(t, err)
	position, _, _ = whole()
	require.Equal(t, string(old.Position), position, "no summary of slots of different epochs")
}
