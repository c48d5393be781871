package feed_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres/internal/pg"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

// restoredRow writes the row of epoch as the restore of a dump does: without the trigger.
const restoredRow = `
ALTER TABLE epoch DISABLE TRIGGER stamp; UPDATE epoch SET since = since; ALTER TABLE epoch ENABLE TRIGGER stamp`

// What the server or an operator does to the table does not look like a copy.
func TestEpochStaysWhenItsRowIsRewritten(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	before, err := n.Epoch(t.Context())
	require.NoError(t, err)
	conn := storetest.Connect(t, n.URL)
	for _, statement := range []string{
		`UPDATE epoch SET feed_gone = feed_gone`, `VACUUM (FREEZE) epoch`, `VACUUM FULL epoch`, `CLUSTER epoch USING epoch_pkey`,
		`BEGIN; UPDATE epoch SET since = since; UPDATE epoch SET since = since; COMMIT`,
	} {
		_, err := conn.Exec(t.Context(), statement)
		require.NoError(t, err)
		n.DB().Pool.Reset()
		after, err := n.Epoch(t.Context())
		require.NoError(t, err)
		require.Equal(t, before, after, statement)
	}
}

func TestEpochBeginsOnAnotherServer(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"system identifier":                   `UPDATE epoch SET system_identifier = system_identifier - 1`,
		"timeline":                            `UPDATE epoch SET timeline = '0000FFFF'`,
		"copied database":                     `UPDATE epoch SET database = 1`,
		"row of an older dump":                restoredRow + `; UPDATE epoch SET database = NULL`,
		"restored row":                        restoredRow,
		"restored row that was written since": restoredRow + `; UPDATE epoch SET feed_gone = feed_gone`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.New(t)
			nodes := []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url)}
			id := nodes[0].Group(t, "alice", "bob")
			before, err := nodes[0].Feed(t.Context(), "")
			require.NoError(t, err)
			_, err = storetest.Connect(t, url).Exec(t.Context(), change)
			require.NoError(t, err)
			pages := make([]domain.FeedPage, len(nodes))
			var reading sync.WaitGroup
			for i, n := range nodes {
				reading.Go(func() {
					var err error
					if pages[i], err = n.Feed(t.Context(), before.Position); err != nil {
						t.Error(err)
					}
				})
			}
			reading.Wait()
			require.NotEqual(t, before.Epoch, pages[0].Epoch)
			require.Equal(t, pages[0].Epoch, pages[1].Epoch, "one new epoch, although both nodes notice")
			require.Empty(t, pages[0].Heads)
			epoch, err := nodes[1].Epoch(t.Context())
			require.NoError(t, err)
			require.Equal(t, pages[0].Epoch, epoch)
			nodes[0].Post(t, "alice", id, "m", "x")
			page, err := nodes[1].Feed(t.Context(), pages[1].Position)
			require.NoError(t, err)
			require.Equal(t, []domain.FeedHead{{ConversationID: id, First: 2, Head: 2}}, page.Heads)
			require.Equal(t, epoch, page.Epoch)
		})
	}
}

func TestEpochIsCheckedOnEveryNewConnection(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n := storetest.Start(t, url)
	before, err := n.Epoch(t.Context())
	require.NoError(t, err)
	_, err = storetest.Connect(t, url).Exec(t.Context(), `UPDATE epoch SET timeline = '0000FFFF'`)
	require.NoError(t, err)
	after, err := storetest.Start(t, url).Epoch(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, before, after)
}

// A server that came back in an earlier state, on the same timeline, is detected before
// anything is read or written there.
func TestEpochBeginsWhenANewConnectionLacksTransactions(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	before, err := n.Feed(t.Context(), "")
	require.NoError(t, err)
	n.DB().Pool.Reset()
	same, err := n.Epoch(t.Context())
	require.NoError(t, err)
	require.Equal(t, before.Epoch, same)

	var after string
	eventually.True(t, "a new epoch", func() bool {
		n.DB().SawTransactions(before.Epoch, 1<<40) // the search index reads the feed too, and resets it
		n.DB().Pool.Reset()
		after, err = n.Epoch(t.Context())
		require.NoError(t, err)
		return after != before.Epoch
	})
	n.DB().Pool.Reset()
	again, err := n.Epoch(t.Context())
	require.NoError(t, err)
	require.Equal(t, after, again, "transactions of another epoch do not matter")
}

// Concurrent transactions and reads of the feed must not look, to a new connection, like a
// server that came back in an earlier state.
func TestEpochStaysUnderConcurrentConnectionsAndTransactions(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	before, err := n.Feed(t.Context(), "")
	require.NoError(t, err)
	done := make(chan struct{})
	var busy sync.WaitGroup
	defer busy.Wait()
	defer close(done)
	over := func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	}
	for worker := range 8 {
		busy.Go(func() {
			for i := 0; !over(); i++ {
				n.Post(t, "alice", id, fmt.Sprint(worker, "-", i), "x")
			}
		})
		busy.Go(func() {
			for position := before.Position; !over(); {
				page, err := n.Feed(t.Context(), position)
				if !assert.NoError(t, err) {
					return
				}
				position = page.Position
			}
		})
	}
	for range 300 {
		n.DB().Pool.Reset()
		epoch, err := n.Epoch(t.Context())
		require.NoError(t, err)
		require.Equal(t, before.Epoch, epoch)
	}
}

func TestEpochBeginsWhenAHeadIsLost(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url)}
	id := nodes[0].Group(t, "alice", "bob")
	nodes[0].Post(t, "alice", id, "m1", "x")
	before, err := nodes[0].Feed(t.Context(), "")
	require.NoError(t, err)
	require.NoError(t, nodes[0].HeadLost(t.Context(), id, 2))
	same, err := nodes[0].Epoch(t.Context())
	require.NoError(t, err)
	require.Equal(t, before.Epoch, same, "the head is stored")

	require.NoError(t, nodes[0].HeadLost(t.Context(), id, 3))
	for _, n := range nodes {
		page, err := n.Feed(t.Context(), before.Position)
		require.NoError(t, err)
		require.NotEqual(t, before.Epoch, page.Epoch)
		require.Empty(t, page.Heads)
	}
	require.NoError(t, nodes[0].HeadLost(t.Context(), domain.ConversationID{9}, 1), "a conversation that does not exist has head 0")
}

// A committer drops its cached states when a new epoch begins.
func TestEpochDropsCachedStates(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	n.Post(t, "bob", id, "m1", "x")
	// The log comes back without the event that added bob, at the same version.
	_, err := storetest.Connect(t, n.URL).Exec(t.Context(), `DELETE FROM members WHERE user_id = 'bob'`)
	require.NoError(t, err)
	n.Post(t, "bob", id, "m2", "x") // the node did not notice
	_, err = n.NewEpoch(t.Context())
	require.NoError(t, err)
	a := storetest.Wait(t, n.Send(t.Context(), "bob", domain.Post{ConversationID: id, ClientMsgID: "m3", Content: storetest.Text("x")}))
	require.ErrorIs(t, a.Err, domain.ErrNotFound)
}

// The server came back in a state before the position.
func TestEpochBeginsWhenAPositionIsAheadOfTheServer(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	page, err := n.Feed(t.Context(), "")
	require.NoError(t, err)
	ahead := positionAt(page.Epoch, 1<<40+7)
	after, err := n.Feed(t.Context(), ahead)
	require.NoError(t, err)
	require.NotEqual(t, page.Epoch, after.Epoch)
	again, err := n.Feed(t.Context(), ahead)
	require.NoError(t, err)
	require.Equal(t, after.Epoch, again.Epoch, "a position of an older epoch begins no new one")
}

func TestSessionNumbersAscend(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url)}
	last := int64(0)
	for i := range 10 {
		given, err := nodes[i%2].Admit(t.Context(), "alice")
		require.NoError(t, err)
		require.Greater(t, given.Number, last)
		last = given.Number
	}
}

// positionAt returns a position in the feed before all transactions from xmax on.
func positionAt(epoch string, xmax uint64) domain.FeedPosition {
	w := pg.NewCursor(pg.CursorFeed)
	w.Shard(epoch)
	w.Snapshot(pg.Snapshot{Xmin: xmax, Xmax: xmax})
	w.Number(uint64(time.Now().Unix()))
	return domain.FeedPosition(w.String())
}
