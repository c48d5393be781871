package storetest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
)

func (n *Node) Search(t testing.TB, who domain.Actor, q domain.SearchQuery) domain.SearchPage {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	page, err := n.SearchMessages(t.Context(), who, q)
	require.NoError(t, err)
	return page
}

// found are the seqs that a user finds, in their order.
func (n *Node) Found(t testing.TB, who domain.UserID, typed string) (seqs []int64) {
	t.Helper()
	for _, m := range n.Search(t, User(who), domain.SearchQuery{Text: typed}).Items {
		seqs = append(seqs, m.Seq)
	}
	return seqs
}

// indexed waits until everything that is committed now is in the index.
func (n *Node) WaitIndexed(t testing.TB) {
	t.Helper()
	id := n.Group(t, "sentinel")
	n.Post(t, "sentinel", id, "s", "sentinel"+strings.ReplaceAll(id.String(), "-", ""))
	eventually.True(t, "the index follows", func() bool {
		return len(n.Found(t, "sentinel", "sentinel"+strings.ReplaceAll(id.String(), "-", ""))) == 1
	})
}
