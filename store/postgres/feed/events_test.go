package feed_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

// follower reads the events of all conversations.
type follower struct {
	n      *storetest.Node
	cursor string
	last   map[domain.ConversationID]int64 // without a hole
	all    int
}

// page reads a page, and fails if it leaves an event out or repeats one in the page.
func (f *follower) page(t *testing.T, limit int) domain.EventFeed {
	t.Helper()
	page, err := f.n.EventFeed(t.Context(), f.cursor, limit)
	require.NoError(t, err)
	require.LessOrEqual(t, len(page.Events), limit)
	in := map[domain.ConversationID]int64{}
	for _, e := range page.Events {
		require.Greater(t, e.Seq, in[e.ConversationID], "the seqs of a page ascend")
		in[e.ConversationID] = e.Seq
		require.LessOrEqual(t, e.Seq, f.last[e.ConversationID]+1, "an event was left out")
		f.last[e.ConversationID] = max(f.last[e.ConversationID], e.Seq)
		f.all++
	}
	f.cursor = page.Cursor
	return page
}

// has reports whether everything up to the heads was read.
func (f *follower) has(heads map[domain.ConversationID]int64) bool {
	for id, head := range heads {
		if f.last[id] < head {
			return false
		}
	}
	return true
}

func TestEventFeedLeavesNothingOut(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 3, 100} {
		t.Run(fmt.Sprint("limit ", limit), func(t *testing.T) {
			t.Parallel()
			n := storetest.Start(t, pgtest.New(t))
			f := &follower{n: n, last: map[domain.ConversationID]int64{}}
			heads := map[domain.ConversationID]int64{}
			for range 6 {
				id := n.Group(t, "alice", "bob")
				n.Post(t, "alice", id, "before", "x")
				heads[id] = 2
			}
			require.NotEmpty(t, f.page(t, limit).Events)
			var sending sync.WaitGroup
			for id := range heads {
				sending.Go(func() {
					for i := range 15 {
						n.Post(t, "alice", id, fmt.Sprint(i), "x")
					}
				})
				heads[id] = 17
			}
			eventually.True(t, "all came", func() bool { f.page(t, limit); return f.has(heads) })
			sending.Wait()
			for f.page(t, limit).HasMore {
			}
			read := f.all
			require.Empty(t, f.page(t, limit).Events)
			fresh := n.Group(t, "alice", "bob")
			page := f.page(t, limit)
			require.Len(t, page.Events, 1)
			require.Equal(t, fresh, page.Events[0].ConversationID)
			require.Equal(t, read+1, f.all)
		})
	}
}

// What was posted while a reader went through the log follows at its end, before a page
// says that there is no more.
func TestEventFeedHasMoreAfterTheLog(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	f := &follower{n: n, last: map[domain.ConversationID]int64{}}
	id := n.Group(t, "alice", "bob")
	n.Post(t, "alice", id, "0", "x")
	require.True(t, f.page(t, 1).HasMore)
	n.Post(t, "alice", id, "1", "x")
	for f.page(t, 3).HasMore {
	}
	require.True(t, f.has(map[domain.ConversationID]int64{id: 3}))
	require.Empty(t, f.page(t, 3).Events)
}

// A page ends at about 1 MiB, and the next one goes on there.
func TestEventFeedBoundsBytes(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	f := &follower{n: n, last: map[domain.ConversationID]int64{}}
	require.Empty(t, f.page(t, 1000).Events)
	id := n.Group(t, "alice", "bob")
	for i := range 60 {
		n.Post(t, "alice", id, fmt.Sprint(i), strings.Repeat("x", 30_000))
	}
	walking := &follower{n: n, last: map[domain.ConversationID]int64{}}
	for _, f := range []*follower{f, walking} {
		page := f.page(t, 1000)
		require.True(t, page.HasMore)
		require.Less(t, len(page.Events), 40)
		for f.page(t, 1000).HasMore {
		}
		require.Equal(t, int64(61), f.last[id])
		require.Equal(t, 61, f.all)
	}
}

// A cursor that is older than the feed goes on from the log.
func TestEventFeedAfterTheFeedWasSwept(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	f := &follower{n: n, last: map[domain.ConversationID]int64{}}
	id := n.Group(t, "alice", "bob")
	for f.page(t, 10).HasMore || f.last[id] == 0 {
	}
	fresh := n.Group(t, "alice", "bob")
	n.Post(t, "alice", id, "m", "x")
	conn := storetest.Connect(t, n.URL)
	_, err := conn.Exec(t.Context(), `UPDATE commits SET at = now() - interval '7 hours'`)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), storetest.Statements(t, "..")["postgres.sweepCommitsSQL"])
	require.NoError(t, err)
	n.Post(t, "alice", id, "m2", "x")
	eventually.True(t, "all came", func() bool { f.page(t, 2); return f.has(map[domain.ConversationID]int64{id: 3, fresh: 1}) })
}

// Events of long before a cursor are not repeated.
func TestEventFeedRepeatsTheLastMinutesOnly(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id, old := n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob")
	n.Post(t, "alice", id, "m1", "x")
	conn := storetest.Connect(t, n.URL)
	for _, sql := range []string{
		`UPDATE events SET at = now() - interval '1 day'`, `UPDATE conversations SET last_at = now() - interval '1 day'`,
	} {
		_, err := conn.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	f := &follower{n: n, last: map[domain.ConversationID]int64{}}
	for f.page(t, 10).HasMore || !f.has(map[domain.ConversationID]int64{id: 2, old: 1}) {
	}
	n.Post(t, "alice", id, "m2", "x")
	_, err := conn.Exec(t.Context(), `UPDATE commits SET at = now() - interval '7 hours'`)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), storetest.Statements(t, "..")["postgres.sweepCommitsSQL"])
	require.NoError(t, err)
	page := f.page(t, 10)
	require.Len(t, page.Events, 1)
	require.Equal(t, int64(3), page.Events[0].Seq)
}

func TestEventFeedCursor(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	n.Group(t, "alice", "bob")
	page, err := n.EventFeed(t.Context(), "", 1)
	require.NoError(t, err)
	feed, err := n.Feed(t.Context(), "")
	require.NoError(t, err)
	for _, bad := range []string{"x", "!", "dg", page.Cursor + "AA", page.Cursor[:len(page.Cursor)-2], string(feed.Position)} {
		_, err := n.EventFeed(t.Context(), bad, 1)
		require.ErrorIs(t, err, domain.ErrCursorInvalid, bad)
	}
	following, err := n.EventFeed(t.Context(), page.Cursor, 100)
	require.NoError(t, err)
	_, err = n.NewEpoch(t.Context())
	require.NoError(t, err)
	for _, c := range []string{page.Cursor, following.Cursor} {
		_, err = n.EventFeed(t.Context(), c, 1)
		require.ErrorIs(t, err, domain.ErrCursorInvalid, "another epoch")
	}
}
