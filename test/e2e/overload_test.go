package e2e

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"im/domain"
	"im/test/eventually"
)

// shortOrLong returns long if IM_TEST_LONG=1 asks for the long form of the tests, or short.
func shortOrLong[T any](short, long T) T {
	if os.Getenv("IM_TEST_LONG") == "1" {
		return long
	}
	return short
}

// skipLoad skips a test that puts load on a node for a while, with -short: make
// test-faults runs it.
func skipLoad(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("load: make test-faults runs it")
	}
}

// resident returns the resident memory of a node in MiB.
func (n *testNode) resident() int { return n.memory("VmRSS:") }

// peak returns the highest resident memory that a node has had, in MiB.
func (n *testNode) peak() int { return n.memory("VmHWM:") }

// memory returns a value of /proc/…/status in MiB.
func (n *testNode) memory(name string) int {
	n.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.Pid()))
	require.NoError(n.t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			require.NoError(n.t, err)
			return kib >> 10
		}
	}
	n.t.Fatalf("/proc has no %s", name)
	return 0
}

// memoryBound returns a bound of memory in MiB. With the race detector a node needs several
// times as much.
func memoryBound(mib int) int {
	if raceEnabled {
		return 6 * mib
	}
	return mib
}

// requireRecovered waits until each conversation accepts messages again.
func requireRecovered(t *testing.T, n *testNode, conversations []domain.ConversationID, users []domain.UserID) {
	t.Helper()
	began := time.Now()
	probe := connect(t, n.URL, users[0], "probe")
	defer func() { _ = probe.ws.Close() }()
	for i, id := range conversations {
		eventually.True(t, "a send is accepted", func() bool { return probe.post(id, fmt.Sprint("after-", i), "x").Code == "" })
	}
	t.Logf("sends are accepted again after %s", time.Since(began).Round(time.Millisecond))
}

// requireAccepted asserts that the logs are dense and hold each accepted message at the
// seq of its answer.
func requireAccepted(t *testing.T, n *testNode, user domain.UserID, all []*flooder) {
	t.Helper()
	accepted := make(map[domain.ConversationID]map[string]int64)
	for _, f := range all {
		if accepted[f.id] == nil {
			accepted[f.id] = map[string]int64{}
		}
		maps.Copy(accepted[f.id], f.sent)
	}
	for id, own := range accepted {
		reader := connect(t, n.URL, user, "reader")
		events := reader.history(id)
		_ = reader.ws.Close()
		requireDense(t, events, 1)
		for _, e := range events {
			if seq, ok := own[e.ClientMsgID]; ok {
				require.Equal(t, seq, e.Seq)
				delete(own, e.ClientMsgID)
			}
		}
		require.Empty(t, own, "accepted messages are lost")
	}
}

// names returns n user ids.
func names(prefix string, n int) (users []domain.UserID) {
	for i := range n {
		users = append(users, domain.UserID(fmt.Sprint(prefix, i)))
	}
	return users
}

// TestOverload: PostgreSQL is slow, and many sockets send as much as they may. Each request
// is answered in time, memory is bounded, no accepted send is lost, and the node recovers
// as soon as PostgreSQL does.
func TestOverload(t *testing.T) {
	skipLoad(t)
	c := newSequentialCluster(t)
	n := c.node("one")
	users := names("u", shortOrLong(40, 100))
	conversations := make([]domain.ConversationID, 10)
	for i := range conversations {
		conversations[i] = n.group(users[i], slices.Concat(users[:i], users[i+1:])...)
	}
	c.postgres.Slow(shortOrLong(20*time.Millisecond, 50*time.Millisecond))
	mended := time.AfterFunc(shortOrLong(4*time.Second, time.Minute), c.postgres.Mend)
	defer mended.Stop()
	flooded := floodAll(t, n, conversations, users, 80, 2_000, shortOrLong(5*time.Second, 61*time.Second))
	require.Positive(t, flooded.sent)
	require.Less(t, flooded.pause, 20*time.Second, "the node keeps accepting sends")
	require.Less(t, n.resident(), memoryBound(600))
}

// TestOneConversation: many users send to one conversation concurrently.
func TestOneConversation(t *testing.T) {
	skipLoad(t)
	c := newSequentialCluster(t)
	n := c.node("one")
	users := names("u", shortOrLong(100, 200))
	id := n.group(users[0], users[1:]...)
	flooded := floodAll(t, n, []domain.ConversationID{id}, users, 2, 100, shortOrLong(3*time.Second, 30*time.Second))
	require.Greater(t, flooded.sent, len(users))
	require.Less(t, n.resident(), memoryBound(600))
}

// TestReconnectStorm: thousands of clients connect at once, as after the end of another
// node. All are connected within the deadline.
func TestReconnectStorm(t *testing.T) {
	skipLoad(t)
	c := newSequentialCluster(t)
	n := c.node("one")
	clients := shortOrLong(1000, 5000)
	var g errgroup.Group
	deadline := time.Now().Add(2 * waitTimeout)
	retries := make([]int, clients)
	began := time.Now()
	for i := range clients {
		bearer := userToken(t, domain.UserID(fmt.Sprint("u", i)))
		g.Go(func() error {
			ws, err := connectWithRetry(n.URL, bearer, deadline, &retries[i])
			if err == nil {
				t.Cleanup(func() { _ = ws.Close() })
			}
			return err
		})
	}
	require.NoError(t, g.Wait())
	total := 0
	for _, n := range retries {
		total += n
	}
	t.Logf("%d clients connected after %s, with %d retries, %d MiB", clients, time.Since(began).Round(time.Millisecond), total, n.resident())
	require.Less(t, n.resident(), memoryBound(shortOrLong(300, 800)))
	status, _ := n.call("u0", "GET", "/v1/sync", nil)
	require.Equal(t, http.StatusOK, status)
}

// TestReadersThatDoNotRead: a socket that does not read costs the node a bounded buffer and
// does not delay other sockets.
func TestReadersThatDoNotRead(t *testing.T) {
	skipLoad(t)
	c := newSequentialCluster(t)
	n := c.node("one")
	users := names("u", shortOrLong(200, 1000))
	id := n.create("alice", map[string]any{"kind": "group", "members": append(users[:99:99], "bob")})
	for at := 99; at < len(users); at += 400 {
		status, body := n.call("alice", "POST", "/v1/conversations/"+id.String()+"/members", map[string]any{"user_ids": users[at:min(at+400, len(users))]})
		require.Equal(t, http.StatusOK, status, "%s", body)
	}
	var g errgroup.Group
	for _, user := range users {
		bearer := userToken(t, user)
		g.Go(func() error {
			var retries int
			ws, err := connectWithRetry(n.URL, bearer, time.Now().Add(waitTimeout), &retries)
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = ws.Close() })
			return ws.NetConn().(*net.TCPConn).SetReadBuffer(4 << 10)
		})
	}
	require.NoError(t, g.Wait())
	alice, bob := connect(t, n.URL, "alice", "phone"), connect(t, n.URL, "bob", "phone")
	words := strings.Repeat("x", 30_000)
	last := sent{}
	for i := range shortOrLong(150, 600) {
		last = alice.post(id, fmt.Sprint(i), words)
		require.Empty(t, last.Code)
	}
	events := bob.waitEvent(id, last.Seq)
	requireDense(t, events, events[0].Seq)
	t.Logf("%d MiB", n.resident())
	require.Less(t, n.resident(), memoryBound(shortOrLong(400, 1500)))
}
