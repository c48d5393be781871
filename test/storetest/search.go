package storetest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
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
	id := n.Group(t, "sentinel")
	n.Post(t, "sentinel", id, "s", "sentinel"+strings.ReplaceAll(id.String(), "-", ""))
	eventually.True(t, "the index follows", func() bool {
		return len(n.Found(t, "sentinel", "sentinel"+strings.ReplaceAll(id.String(), "-", ""))) == 1
	})
}
