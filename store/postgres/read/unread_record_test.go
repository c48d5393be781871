package read_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

// crowd changes conversations of a few users in all ways, on several nodes at once.
type crowd struct {
	nodes []*storetest.Node
	users []domain.UserID
	ids   []domain.ConversationID
	stop  chan struct{}
}

func (c *crowd) run(t *testing.T, random *rand.Rand, name string) {
	conn, err := pgx.Connect(t.Context(), c.nodes[0].URL)
	if !assert.NoError(t, err) {
		return
	}
	defer conn.Close(context.Background())
	for i := 0; ; i++ {
		select {
		case <-c.stop:
			return
		default:
		}
		if err := c.step(t.Context(), conn, random, fmt.Sprint(name, i)); err != nil && !refused(err) {
			t.Error(err)
			return
		}
	}
}

// refused reports whether an operation met the state that another one left.
func refused(err error) bool {
	for _, known := range []error{
		domain.ErrNotFound, domain.ErrForbidden, domain.ErrConflict, domain.ErrInvalid, domain.ErrUnavailable, domain.ErrLimitExceeded,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

func (c *crowd) step(ctx context.Context, conn *pgx.Conn, random *rand.Rand, key string) error {
	n := c.nodes[random.IntN(len(c.nodes))]
	id := c.ids[random.IntN(len(c.ids))]
	who := storetest.User(c.users[random.IntN(len(c.users))])
	other := c.users[1+random.IntN(len(c.users)-1)]
	seq := int64(1 + random.IntN(12))
	var err error
	switch random.IntN(12) {
	case 0:
		_, err = n.Recall(who.User, id, seq)
	case 1:
		_, err = n.Chat.RemoveMember(ctx, storetest.User("alice"), id, other)
	case 2:
		_, err = n.Chat.AddMembers(ctx, storetest.User("alice"), id, []domain.UserID{other}, domain.RoleMember)
	case 3, 4:
		_, err = n.MarkRead(ctx, who, id, seq)
	case 5:
		archived := random.IntN(2) == 0
		_, _, err = n.SetPreferences(ctx, who, id, domain.PreferencesPatch{Archived: &archived})
	case 6: // commits late: transactions with a higher id are visible before
		var tx pgx.Tx
		if tx, err = conn.Begin(ctx); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `SELECT im_mark_read_1($1, $2, $3)`, string(who.User), id, seq)
		time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
		err = errors.Join(err, tx.Commit(ctx))
	case 7:
		if random.IntN(4) == 0 {
			_, _, err = n.Chat.Create(ctx, who, domain.Creation{Kind: domain.Group, Members: []domain.UserID{other}})
		}
	default:
		done := make(chan error, 1)
		n.Chat.Send(ctx, who, domain.Post{ConversationID: id, ClientMsgID: key, Content: storetest.Text("x")},
			func(_ domain.Sent, err error) { done <- err })
		err = <-done
	}
	return err
}

// A sync by a record of unread messages finds, in its own snapshot, exactly what a sync
// finds that reads all conversations: the same list, the same removals, the same total.
func TestSyncByARecordEqualsTheSyncOfAll(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	c := &crowd{
		nodes: []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url)},
		users: []domain.UserID{"alice", "bob", "carol"}, stop: make(chan struct{}),
	}
	for _, n := range c.nodes {
		n.KeepRecordsFrom(1)
		n.Quiet = true
	}
	for range 60 {
		c.ids = append(c.ids, c.nodes[0].Group(t, "alice", "bob", "carol"))
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var running, changing sync.WaitGroup
	for i := range 3 {
		changing.Go(func() { c.run(t, rand.New(rand.NewPCG(seed, uint64(i))), fmt.Sprint(i, "-")) })
	}
	var recent, all atomic.Int64
	for i := range 4 { // two devices of bob and two of carol, on both nodes
		running.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(100+i)))
			q := domain.SyncQuery{User: c.users[1+i%2], Device: domain.DeviceID(fmt.Sprint(i)), Limit: 500}
			var older string
			for range 80 {
				if random.IntN(30) == 0 {
					q.Limit = 1 + random.IntN(5) // several pages
				}
				page, byRecord, difference, err := c.nodes[random.IntN(2)].SyncBothWays(t.Context(), q)
				if !assert.NoError(t, err) || !assert.Empty(t, difference) {
					return
				}
				if byRecord {
					recent.Add(1)
				} else {
					all.Add(1)
				}
				if q.Cursor = page.Cursor; page.Done {
					q.Limit = 500
					if random.IntN(10) == 0 {
						q.Cursor, older = older, page.Cursor // as a device that was away for longer
					}
				}
			}
		})
	}
	running.Wait()
	close(c.stop)
	changing.Wait()
	t.Logf("%d pages by a record, %d by all conversations", recent.Load(), all.Load())
	require.Greater(t, recent.Load(), int64(100))
	require.Positive(t, all.Load())
}

// syncBothWays syncs bob by his record, and requires what a sync of all conversations finds.
func syncBothWays(t *testing.T, n *storetest.Node, cursor string) (page domain.SyncPage, recent bool) {
	t.Helper()
	page, recent, difference, err := n.SyncBothWays(t.Context(), domain.SyncQuery{User: "bob", Limit: 500, Cursor: cursor})
	require.NoError(t, err)
	require.Empty(t, difference)
	require.True(t, page.Done)
	return page, recent
}

func TestRecordOfUnreadMessages(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	n.KeepRecordsFrom(1)
	var ids []domain.ConversationID
	for range 20 {
		ids = append(ids, n.Group(t, "alice", "bob"))
	}
	conn := storetest.Connect(t, n.URL)
	exec := func(sql string, args ...any) {
		_, err := conn.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	page, recent := syncBothWays(t, n, "")
	require.False(t, recent, "there is no record yet")
	n.Post(t, "alice", ids[3], "1", "x")
	page, recent = syncBothWays(t, n, page.Cursor)
	require.True(t, recent)
	require.EqualValues(t, 1, *page.UnreadTotal)
	require.Len(t, page.Conversations, 1)

	t.Run("many changes", func(t *testing.T) {
		for i, id := range ids {
			n.Post(t, "alice", id, fmt.Sprint("many", i), "x")
		}
		page, recent = syncBothWays(t, n, page.Cursor)
		require.False(t, recent)
		require.EqualValues(t, 21, *page.UnreadTotal)
	})
	t.Run("a deleted commit", func(t *testing.T) {
		n.Post(t, "alice", ids[4], "deleted", "x")
		exec(`UPDATE commits SET at = now() - interval '7 hours'`)
		exec(storetest.Statements(t, "..")["postgres.sweepCommitsSQL"])
		page, recent = syncBothWays(t, n, page.Cursor)
		require.False(t, recent, "the feed does not go back far enough")
		require.EqualValues(t, 22, *page.UnreadTotal)
		// Another database of the server may have a transaction in progress that is as old.
		eventually.True(t, "the record is of use again", func() bool {
			page, recent = syncBothWays(t, n, page.Cursor)
			return recent
		})
	})
	t.Run("a rebuild", func(t *testing.T) {
		exec(`UPDATE conversations SET message_count = message_count + 100 WHERE id = $1`, ids[5])
		wrong, _ := syncBothWays(t, n, "")
		require.EqualValues(t, 122, *wrong.UnreadTotal)
		_, err := n.Rebuild(t.Context(), postgres.RebuildOptions{
			Found: func(postgres.Difference) {}, Progress: func(postgres.RebuildProgress) {},
		})
		require.NoError(t, err)
		page, recent = syncBothWays(t, n, wrong.Cursor)
		require.True(t, recent, "the repair is in the feed")
		require.EqualValues(t, 22, *page.UnreadTotal)
		require.Len(t, page.Conversations, 1)
	})
	t.Run("a new epoch", func(t *testing.T) {
		_, err := n.NewEpoch(t.Context())
		require.NoError(t, err)
		_, _, _, err = n.SyncBothWays(t.Context(), domain.SyncQuery{User: "bob", Limit: 500, Cursor: page.Cursor})
		require.ErrorIs(t, err, domain.ErrCursorInvalid)
		page, _ = syncBothWays(t, n, "")
		page, recent = syncBothWays(t, n, page.Cursor)
		require.True(t, recent)
		require.EqualValues(t, 22, *page.UnreadTotal)
	})
}
