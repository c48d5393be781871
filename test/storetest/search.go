package storetest

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres/feed"
	"im/test/eventually"
)

// Search searches, for up to 100 messages if q has no limit.
func (n *Node) Search(t testing.TB, who domain.Actor, q domain.SearchQuery) domain.SearchPage {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	page, err := n.SearchMessages(t.Context(), who, q)
	require.NoError(t, err)
	return page
}

// Found returns the seqs that a user finds, in the order of the result.
func (n *Node) Found(t testing.TB, who domain.UserID, typed string) (seqs []int64) {
	t.Helper()
	for _, m := range n.Search(t, User(who), domain.SearchQuery{Text: typed}).Items {
		seqs = append(seqs, m.Seq)
	}
	return seqs
}

// WaitIndexed waits until everything committed so far is in the search index.
func (n *Node) WaitIndexed(t testing.TB) {
	t.Helper()
	now, err := n.Feed(t.Context(), "")
	require.NoError(t, err)
	n.Post(t, "sentinel", n.Group(t, "sentinel"), "s", "sentinel") // positions are stored only after news
	conn := ConnectUnaffected(t, n.URL)
	eventually.True(t, "the index follows", func() bool {
		// A slot that starts again takes the newest position at once, before it has scanned the log.
		rows, err := conn.Query(t.Context(), `SELECT CASE WHEN walking THEN '' ELSE position END FROM search_slots`)
		require.NoError(t, err)
		positions, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		return !slices.ContainsFunc(positions, func(p string) bool { return !feed.Covers(domain.FeedPosition(p), now.Position) })
	})
}
