package registry

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"im/test/leaktest"

	"im/domain"
	"im/test/eventually"
	"im/test/redistest"
)

func TestMain(m *testing.M) {
	redistest.Discard()
	leaktest.Main(m)
}

func testLogger(t *testing.T) *slog.Logger {
	if !testing.Verbose() {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// patient are parameters of a URL for a suite on a busy machine: a slow call is not an
// outage.
const patient = "read_timeout=1m&write_timeout=1m&dial_timeout=1m"

// connect connects as a node does. Parameters are added to the URL.
func connect(t testing.TB, url, parameters string) *Client {
	t.Helper()
	separator := "?"
	if strings.Contains(url, "?") {
		separator = "&"
	}
	address, err := ParseURL(url + separator + parameters)
	require.NoError(t, err)
	client, err := address.Connect(t.Context(), "im")
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// promptly is how long a call may take that does not wait for Redis, on a busy machine.
const promptly = 5 * time.Second

// cluster is several registries on one Redis. Between them, the end of a session goes
// directly to the node that has it.
type cluster struct {
	client redis.UniversalClient
	prefix string

	mu    sync.Mutex
	nodes []*node
}

func newCluster(t *testing.T, client redis.UniversalClient) *cluster {
	t.Helper()
	c := &cluster{client: client, prefix: redistest.NewPrefix()}
	redistest.DeleteAll(t, client, c.prefix)
	return c
}

// start runs a node whose Redis is reachable, and waits until it is ready.
func (c *cluster) start(t *testing.T, name string) *node {
	t.Helper()
	return c.startWith(t, Options{Name: name})
}

func (c *cluster) startWith(t *testing.T, o Options) *node {
	t.Helper()
	n := c.add(t, o)
	n.run(t)
	eventually.NoError(t, "the registry is ready", n.Ready)
	return n
}

// add makes a node that does not run yet.
func (c *cluster) add(t *testing.T, o Options) *node {
	t.Helper()
	n := &node{sessions: make(map[domain.SessionID]domain.SessionEntry), ended: make(map[domain.SessionID]int)}
	o.Name, o.Prefix, o.Logger = cmp.Or(o.Name, "n"), c.prefix, testLogger(t)
	o.Timeout = cmp.Or(o.Timeout, MaxTimeout) // a slow call on a busy machine is not an outage
	if o.Redis == nil {
		o.Redis = c.client
	}
	o.Sessions = n.list
	o.EndSession = func(id domain.NodeID, end domain.EndSessions) {
		n.end(end)
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, other := range c.nodes {
			if other != n && other.ID() == id {
				other.end(end)
			}
		}
	}
	var err error
	n.Registry, err = New(o)
	require.NoError(t, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes = append(c.nodes, n)
	return n
}

func (c *cluster) userKey(user domain.UserID) string { return c.prefix + ":user:" + string(user) }
func (c *cluster) leaseKey(n *node) string           { return c.prefix + ":node:" + string(n.ID()) }

// putEntry writes the entry of a session as another node would.
func (c *cluster) putEntry(t *testing.T, user domain.UserID, session domain.SessionID, value string) {
	t.Helper()
	require.NoError(t, c.client.HSet(t.Context(), c.userKey(user), string(session), value).Err())
}

// entries returns a user's sessions in Redis, with the node of each.
func (c *cluster) entries(t *testing.T, user domain.UserID) map[domain.SessionID]domain.NodeID {
	t.Helper()
	all, err := c.client.HGetAll(t.Context(), c.userKey(user)).Result()
	require.NoError(t, err)
	nodes := make(map[domain.SessionID]domain.NodeID, len(all))
	for session, value := range all {
		name, _, _ := strings.Cut(value, " ")
		nodes[domain.SessionID(session)] = domain.NodeID(name)
	}
	return nodes
}

// node is a registry with the sessions of its node.
type node struct {
	*Registry
	stop func()

	mu       sync.Mutex
	sessions map[domain.SessionID]domain.SessionEntry
	ended    map[domain.SessionID]int // close codes
	onList   func()
}

// run runs the registry until the test ends, or calls stop.
func (n *node) run(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.Run(ctx)
	}()
	n.stop = func() { cancel(); <-done }
	t.Cleanup(n.stop)
}

// list is Options.Sessions.
func (n *node) list() []domain.SessionEntry {
	n.mu.Lock()
	list := slices.Collect(maps.Values(n.sessions))
	hook := n.onList
	n.mu.Unlock()
	if hook != nil {
		hook()
	}
	return list
}

// whenListed calls hook when the registry has listed the sessions.
func (n *node) whenListed(hook func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.onList = hook
}

func (n *node) end(s domain.EndSessions) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.sessions, s.Session)
	n.ended[s.Session] = s.Code
}

// endCode returns the close code of a session that was to end; 0 for any other.
func (n *node) endCode(session domain.SessionID) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ended[session]
}

// add adds a session without registering it.
func (n *node) add(e domain.SessionEntry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sessions[e.Session] = e
}

// remove removes a session without unregistering it.
func (n *node) remove(e domain.SessionEntry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.sessions, e.Session)
}

// connect adds and registers a session of its own device.
func (n *node) connect(t *testing.T, user domain.UserID, number int64) domain.SessionEntry {
	t.Helper()
	e := newEntry(user, domain.DeviceID(fmt.Sprintf("d%d", number)), number)
	n.add(e)
	require.NoError(t, n.Register(t.Context(), e, false))
	return e
}

func newEntry(user domain.UserID, device domain.DeviceID, number int64) domain.SessionEntry {
	return domain.SessionEntry{
		Session: domain.SessionID(fmt.Sprintf("s-%s-%d", user, number)),
		User:    user, Device: device, Number: number, Epoch: "epoch-1",
	}
}

func setOf(users ...domain.UserID) map[domain.UserID]struct{} {
	set := make(map[domain.UserID]struct{}, len(users))
	for _, user := range users {
		set[user] = struct{}{}
	}
	return set
}
