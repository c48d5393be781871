package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
)

// slowness is the factor by which a promised time may be exceeded, because other tests run
// on the same machine.
const slowness = 3

// search returns the result of a search of a user.
func (n *testNode) search(user domain.UserID, q string) domain.SearchPage {
	n.t.Helper()
	status, body := n.call(user, "GET", "/v1/search/messages?q="+url.QueryEscape(q), nil)
	require.Equal(n.t, http.StatusOK, status, "%s", body)
	return decode[domain.SearchPage](n.t, body)
}

// waitFound waits until a user finds count messages. It returns how long that took.
func (n *testNode) waitFound(user domain.UserID, q string, count int) time.Duration {
	n.t.Helper()
	began := time.Now()
	eventually.True(n.t, fmt.Sprintf("%s is found %d times", q, count), func() bool { return len(n.search(user, q).Items) == count })
	n.t.Logf("%s: %d found after %s", q, count, time.Since(began))
	return time.Since(began)
}

// TestSearch: a message that is sent through one node is found on the other within 2 s of
// the commit. Edited or recalled text is no longer found.
func TestSearch(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two")}
	id := nodes[0].group("alice", "bob", "frank")
	alice := connect(t, nodes[0].URL, "alice", "phone")
	seq := alice.post(id, "c-1", "Wir treffen uns in 北京 um 8 👍").Seq
	took := nodes[1].waitFound("bob", "北京", 1)
	require.Less(t, took, 2*time.Second*slowness)
	for _, q := range []string{"京", "TREFF", `"in 北京"`, "uns 👍"} {
		nodes[1].waitFound("bob", q, 1)
	}
	found := nodes[1].search("bob", "北京").Items[0]
	require.Equal(t, seq, found.Seq)
	require.Equal(t, []domain.TextRange{{Start: 19, Length: 2}}, found.Highlights[0].Ranges)
	require.Empty(t, nodes[1].search("eve", "北京").Items)
	nodes[0].remove("alice", id, "frank")
	require.Empty(t, nodes[1].search("frank", "北京").Items, "a former member finds nothing as soon as the removal is answered")

	nodes[1].change("alice", "PATCH", messagePath(id, seq), map[string]any{"content": text("in 上海")})
	require.Less(t, nodes[0].waitFound("bob", "上海", 1), 2*time.Second*slowness)
	nodes[0].waitFound("bob", "北京", 0)
	nodes[0].change("alice", "DELETE", messagePath(id, seq), nil)
	require.Less(t, nodes[1].waitFound("bob", "上海", 0), 2*time.Second*slowness)
}

// TestSearchContinuesWithoutNode: when the node that updates the index is paused or killed,
// another node takes over within seconds.
func TestSearchContinuesWithoutNode(t *testing.T) {
	c := newCluster(t)
	nodes := []*testNode{c.node("one"), c.node("two"), c.node("three")}
	id := nodes[2].group("alice", "bob")
	alice := connect(t, nodes[2].URL, "alice", "phone")
	alice.post(id, "1", "needle")
	nodes[2].waitFound("bob", "needle", 1)
	nodes[0].Signal(syscall.SIGSTOP)
	alice.post(id, "2", "needle")
	require.Less(t, nodes[2].waitFound("bob", "needle", 2), 5*time.Second*slowness)
	nodes[1].Signal(syscall.SIGKILL)
	alice.post(id, "3", "needle")
	require.Less(t, nodes[2].waitFound("bob", "needle", 3), 5*time.Second*slowness)
	nodes[0].Signal(syscall.SIGCONT)
	nodes[0].waitFound("alice", "needle", 3)
}
