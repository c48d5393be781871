package registry

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/redistest"
)

// TestRegistry runs the suite on each kind of Redis, and on what im dev has in its place.
func TestRegistry(t *testing.T) {
	suite := map[string]func(*testing.T, *cluster){
		"a newer session of a device replaces the older one, across nodes": testReplace,
		"an older session cannot replace a newer one":                      testOlderSession,
		"registering a session again changes nothing":                      testRegisterTwice,
		"policy single: a newer session replaces all, an older one none":   testSingle,
		"the sessions of a user are limited, across nodes":                 testLimit,
		"sessions of dead nodes do not count for the limit":                testLimitWithDeadNode,
		"numbers of different epochs do not compare":                       testEpochs,
		"unregistering removes one session":                                testUnregister,
		"keys expire":                                                      testExpiry,
		"a node that stops leaves nothing":                                 testLeave,
		"the lease is renewed":                                             testLeaseRenewal,
		"a node that lost its lease continues under a new id":              testLeaseLost,
		"the live sessions of users are listed":                            testSessionsOf,
		"cluster stats count each user once, and no dead sessions":         testClusterStats,
		"a session that was replaced while Redis had no entry ends":        testReplacedUnnoticed,
		"entries of dead nodes do not count and are removed":               testDeadEntries,
		"removing spares a session that came back under a new node":        testRemovalOfOneNode,
		"a session that ends while all are registered does not stay":       testEndDuringRegistration,
	}
	for service, open := range services(t) {
		t.Run(service, func(t *testing.T) {
			for name, test := range suite {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					test(t, newCluster(t, open(t)))
				})
			}
		})
	}
}

type opener = func(testing.TB) redis.UniversalClient

// shared opens clients of what tests share.
func shared() map[string]opener {
	return map[string]opener{"Redis": redistest.Shared, "miniredis": redistest.Embedded}
}

// services starts the other kinds of Redis as well.
func services(t *testing.T) map[string]opener {
	redisCluster := redistest.StartCluster(t, 0)
	sentinels := redistest.StartSentinelSet(t, nil, nil)
	all := shared()
	all["Redis Cluster"] = func(t testing.TB) redis.UniversalClient { return connect(t, redisCluster.URL(), patient) }
	all["Sentinel"] = func(t testing.TB) redis.UniversalClient { return connect(t, sentinels.URL(), patient) }
	return all
}

func testReplace(t *testing.T, c *cluster) {
	a, b := c.start(t, "a"), c.start(t, "b")
	older, newer, other := newEntry("u", "phone", 1), newEntry("u", "phone", 2), newEntry("u", "laptop", 3)
	for _, e := range []domain.SessionEntry{older, other} {
		a.add(e)
		require.NoError(t, a.Register(t.Context(), e, false))
	}
	b.add(newer)
	require.NoError(t, b.Register(t.Context(), newer, false))
	require.Equal(t, 4402, a.endCode(older.Session))
	require.Equal(t, map[domain.SessionID]domain.NodeID{newer.Session: b.ID(), other.Session: a.ID()}, c.entries(t, "u"))
	require.Zero(t, a.endCode(other.Session))
	require.Zero(t, b.endCode(newer.Session))
}

func testOlderSession(t *testing.T, c *cluster) {
	a, b := c.start(t, "a"), c.start(t, "b")
	require.NoError(t, a.Register(t.Context(), newEntry("u", "phone", 10), false))
	require.ErrorIs(t, b.Register(t.Context(), newEntry("u", "phone", 9), false), domain.ErrConflict)
	require.Len(t, c.entries(t, "u"), 1)
}

func testRegisterTwice(t *testing.T, c *cluster) {
	a := c.start(t, "a")
	e := newEntry("u", "phone", 1)
	a.add(e)
	require.NoError(t, a.Register(t.Context(), e, false))
	require.NoError(t, a.Register(t.Context(), e, false))
	require.Len(t, c.entries(t, "u"), 1)
	require.Zero(t, a.endCode(e.Session))
}

func testSingle(t *testing.T, c *cluster) {
	a, b := c.start(t, "a"), c.start(t, "b")
	one, two, three := newEntry("u", "phone", 1), newEntry("u", "laptop", 2), newEntry("u", "tablet", 3)
	for _, e := range []domain.SessionEntry{one, two} {
		a.add(e)
		require.NoError(t, a.Register(t.Context(), e, false))
	}
	require.NoError(t, b.Register(t.Context(), three, true))
	require.Equal(t, 4402, a.endCode(one.Session))
	require.Equal(t, 4402, a.endCode(two.Session))
	require.Len(t, c.entries(t, "u"), 1)
	require.ErrorIs(t, a.Register(t.Context(), newEntry("u", "watch", 2), true), domain.ErrConflict)
}

func testLimit(t *testing.T, c *cluster) {
	a, b := c.startWith(t, Options{Name: "a", SessionsPerUser: 3}), c.startWith(t, Options{Name: "b", SessionsPerUser: 3})
	one, _ := a.connect(t, "u", 1), b.connect(t, "u", 2)
	b.connect(t, "u", 3)
	fourth := newEntry("u", "d4", 4)
	require.ErrorIs(t, a.Register(t.Context(), fourth, false), domain.ErrLimitExceeded)
	require.Len(t, c.entries(t, "u"), 3)
	require.NoError(t, b.Register(t.Context(), one, false), "it is one of the three")
	replacement := newEntry("u", "d1", 5)
	require.NoError(t, b.Register(t.Context(), replacement, false), "it replaces one")
	require.NoError(t, a.Register(t.Context(), newEntry("v", "d4", 6), false), "of another user")
	a.remove(replacement)
	require.NoError(t, a.Unregister(t.Context(), replacement))
	require.NoError(t, a.Register(t.Context(), fourth, false))
	require.Zero(t, a.endCode(fourth.Session))
}

func testLimitWithDeadNode(t *testing.T, c *cluster) {
	a := c.startWith(t, Options{Name: "a", SessionsPerUser: 1})
	const dead = "dead-0000000000"
	require.NoError(t, c.client.SAdd(t.Context(), c.prefix+":nodes", dead).Err())
	eventually.True(t, "the node is known to be dead", func() bool { return a.nodes.isDead(dead) })
	c.putEntry(t, "u", "old", dead+" d9 1 eepoch-1 0")
	e := newEntry("u", "d1", 2)
	a.add(e)
	require.NoError(t, a.Register(t.Context(), e, false))
	require.ErrorIs(t, a.Register(t.Context(), newEntry("u", "d2", 3), false), domain.ErrLimitExceeded)
	require.Len(t, c.entries(t, "u"), 1, "the entry of the dead node is gone")
}

func testEpochs(t *testing.T, c *cluster) {
	a := c.start(t, "a")
	before, now := newEntry("u", "phone", 100), newEntry("u", "phone", 5)
	before.Session, now.Epoch = "s-before", "epoch 2: odd/characters"
	require.NoError(t, a.Register(t.Context(), before, false))
	require.NoError(t, a.Register(t.Context(), now, false))
	require.Equal(t, map[domain.SessionID]domain.NodeID{now.Session: a.ID()}, c.entries(t, "u"))
}

func testUnregister(t *testing.T, c *cluster) {
	a := c.start(t, "a")
	one, two := a.connect(t, "u", 1), a.connect(t, "u", 2)
	a.remove(one)
	require.NoError(t, a.Unregister(t.Context(), one))
	require.Equal(t, map[domain.SessionID]domain.NodeID{two.Session: a.ID()}, c.entries(t, "u"))
}

func testExpiry(t *testing.T, c *cluster) {
	a := c.start(t, "a")
	a.connect(t, "u", 1)
	ttl, err := c.client.PTTL(t.Context(), c.userKey("u")).Result()
	require.NoError(t, err)
	require.Greater(t, ttl, time.Minute)
	require.LessOrEqual(t, ttl, userTTL)
	ttl, err = c.client.PTTL(t.Context(), c.leaseKey(a)).Result()
	require.NoError(t, err)
	require.Positive(t, ttl)
	require.LessOrEqual(t, ttl, leaseTTL)
}

func testLeave(t *testing.T, c *cluster) {
	a, b := c.start(t, "a"), c.start(t, "b")
	a.connect(t, "u", 1)
	kept := b.connect(t, "u", 2)
	a.stop()
	require.Error(t, a.Ready())
	require.Equal(t, map[domain.SessionID]domain.NodeID{kept.Session: b.ID()}, c.entries(t, "u"))
	nodes, err := c.client.SMembers(t.Context(), c.prefix+":nodes").Result()
	require.NoError(t, err)
	require.Equal(t, []string{string(b.ID())}, nodes)
	require.NoError(t, a.Register(t.Context(), newEntry("u", "late", 9), false))
	require.Len(t, c.entries(t, "u"), 1)
}

func testLeaseRenewal(t *testing.T, c *cluster) {
	a := c.start(t, "a")
	id, key := a.ID(), c.leaseKey(a)
	require.NoError(t, c.client.PExpire(t.Context(), key, 9*time.Second).Err())
	eventually.True(t, "the lease is renewed", func() bool {
		return c.client.PTTL(t.Context(), key).Val() > 9*time.Second
	})
	require.Equal(t, id, a.ID())
}

func testLeaseLost(t *testing.T, c *cluster) {
	a, b := c.start(t, "a"), c.start(t, "b")
	e := b.connect(t, "u", 1)
	before := b.ID()
	require.NoError(t, c.client.Del(t.Context(), c.leaseKey(b)).Err())
	eventually.True(t, "the node has a new id and is registered again", func() bool {
		return b.ID() != before && c.entries(t, "u")[e.Session] == b.ID()
	})
	<-b.Renamed()
	eventually.True(t, "the other node finds it", func() bool {
		nodes, err := a.NodesOf(t.Context(), setOf("u"))
		return err == nil && reflect.DeepEqual([]domain.NodeID{b.ID()}, nodes["u"])
	})
	require.Zero(t, b.endCode(e.Session))
}

func testSessionsOf(t *testing.T, c *cluster) {
	a, b := c.start(t, "a"), c.start(t, "b")
	first := newEntry("u", "phone", 1)
	first.Connected, first.Background = domain.TimeOf(time.UnixMilli(1_700_000_000_123)), true
	require.NoError(t, b.Register(t.Context(), first, false))
	second := a.connect(t, "u", 2)
	c.putEntry(t, "u", "s-dead", "dead-1 phone 7 eepoch-1 0 5")
	list, err := a.SessionsOf(t.Context(), "u")
	require.NoError(t, err)
	require.ElementsMatch(t, []domain.LiveSession{
		{SessionID: first.Session, DeviceID: "phone", NodeID: b.ID(), Background: true, ConnectedAt: first.Connected},
		{SessionID: second.Session, DeviceID: second.Device, NodeID: a.ID(), ConnectedAt: domain.TimeOf(time.UnixMilli(0))},
	}, list)
	list, err = a.SessionsOf(t.Context(), "absent")
	require.NoError(t, err)
	require.Empty(t, list)
	require.NotNil(t, list)
	third := b.connect(t, "v", 3)
	each, err := a.SessionsOfEach(t.Context(), []domain.UserID{"u", "absent", "v"})
	require.NoError(t, err)
	require.Len(t, each, 2)
	require.Len(t, each["u"], 2)
	require.Equal(t, third.Session, each["v"][0].SessionID)
}

func testClusterStats(t *testing.T, c *cluster) {
	a, b := c.start(t, "a"), c.start(t, "b")
	a.connect(t, "u", 1)
	a.connect(t, "u", 2)
	b.connect(t, "u", 3)
	background := newEntry("v", "phone", 4)
	background.Background = true
	require.NoError(t, b.Register(t.Context(), background, false))
	c.putEntry(t, "w", "s-dead", "dead-1 phone 7 eepoch-1 0 5")
	got, err := a.ClusterStats(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, got.OnlineUsers)
	require.Equal(t, 4, got.Sessions)
	require.Len(t, got.Nodes, 2)
	require.Equal(t, []int{2, 1, 2, 2}, []int{got.Nodes[0].Sessions, got.Nodes[0].Users, got.Nodes[1].Sessions, got.Nodes[1].Users})
	for i, n := range []*node{a, b} {
		require.Equal(t, n.ID(), got.Nodes[i].NodeID)
		require.WithinDuration(t, time.Now(), got.Nodes[i].StartedAt.Time, time.Minute)
	}
}

func testReplacedUnnoticed(t *testing.T, c *cluster) {
	a, b := c.start(t, "a"), c.start(t, "b")
	older := newEntry("u", "phone", 1)
	a.add(older) // as if registered before Redis lost its data
	require.NoError(t, b.Register(t.Context(), newEntry("u", "phone", 2), false))
	require.NoError(t, c.client.Del(t.Context(), c.leaseKey(a)).Err())
	eventually.True(t, "the older session ends", func() bool { return a.endCode(older.Session) == 4402 })
	require.Len(t, c.entries(t, "u"), 1)
}

func testDeadEntries(t *testing.T, c *cluster) {
	a, b := c.start(t, "a"), c.start(t, "b")
	alive := b.connect(t, "u", 1)
	c.putEntry(t, "u", "s-dead", "dead-1 phone 7 eepoch-1 0")
	eventually.True(t, "the entry of the dead node is removed", func() bool {
		_, err := a.NodesNow(t.Context(), setOf("u"))
		require.NoError(t, err)
		_, there := c.entries(t, "u")["s-dead"]
		return !there
	})
	require.Contains(t, c.entries(t, "u"), alive.Session)
	nodes, err := a.NodesNow(t.Context(), setOf("u"))
	require.NoError(t, err)
	require.Equal(t, []domain.NodeID{b.ID()}, nodes["u"])
}

// testRemovalOfOneNode refreshes by hand: the session registers between a lookup that
// finds its entry of a dead node and the refresh that removes such entries.
func testRemovalOfOneNode(t *testing.T, c *cluster) {
	a := c.add(t, Options{Name: "a"})
	f := refresher{Registry: a.Registry}
	const dead = "dead-1"
	require.NoError(t, c.client.SAdd(t.Context(), c.prefix+":nodes", dead).Err())
	f.refresh(t.Context())
	e := newEntry("u", "phone", 1)
	c.putEntry(t, "u", e.Session, dead+" phone 1 eepoch-1 0")
	c.putEntry(t, "u", "s-gone", dead+" tablet 2 eepoch-1 0")
	_, err := a.NodesNow(t.Context(), setOf("u"))
	require.NoError(t, err)
	a.add(e)
	require.NoError(t, a.Register(t.Context(), e, false))
	require.Len(t, c.entries(t, "u"), 2)
	f.refresh(t.Context())
	require.Equal(t, map[domain.SessionID]domain.NodeID{e.Session: a.ID()}, c.entries(t, "u"))
}

func testEndDuringRegistration(t *testing.T, c *cluster) {
	a := c.start(t, "a")
	ends, stays := a.connect(t, "u", 1), a.connect(t, "u", 2)
	listed := make(chan struct{})
	a.whenListed(sync.OnceFunc(func() {
		a.remove(ends)
		_ = a.Unregister(t.Context(), ends)
		close(listed)
	}))
	require.NoError(t, c.client.Del(t.Context(), c.leaseKey(a)).Err()) // all are registered again
	<-listed
	eventually.True(t, "all sessions were registered", func() bool {
		s := a.current()
		return !s.writing && !s.missing
	})
	eventually.True(t, "the session that ended is removed", func() bool {
		return reflect.DeepEqual(map[domain.SessionID]domain.NodeID{stays.Session: a.ID()}, c.entries(t, "u"))
	})
}

// TestRegisterThousands takes much of the processor, so it does not run beside the suite.
func TestRegisterThousands(t *testing.T) {
	for service, open := range shared() {
		t.Run(service, func(t *testing.T) { testRegisterThousands(t, newCluster(t, open(t))) })
	}
}

func testRegisterThousands(t *testing.T, c *cluster) {
	a := c.start(t, "a")
	const sessions, users = 2*writeChunk + 7, 20
	user := func(i int) domain.UserID { return domain.UserID(fmt.Sprint("u", i%users)) }
	for i := range sessions {
		a.add(newEntry(user(i), domain.DeviceID(fmt.Sprint("d", i)), int64(i+1)))
	}
	require.NoError(t, c.client.Del(t.Context(), c.leaseKey(a)).Err())
	eventually.True(t, "all are registered", func() bool {
		total := 0
		for i := range users {
			total += len(c.entries(t, user(i)))
		}
		return total == sessions
	})
}

func TestNewRequiresItsParts(t *testing.T) {
	_, err := New(Options{})
	require.Error(t, err)
	_, err = New(Options{Redis: redistest.Open(t, redistest.URL()), Timeout: MaxTimeout + 1})
	require.Error(t, err)
}

func TestNodeName(t *testing.T) {
	for name, want := range map[string]string{
		"host-1.example_x": "host-1.example_x", "": "node", "a b/c\x00é": "a-b-c--",
		strings.Repeat("x", 200): strings.Repeat("x", 64),
	} {
		require.Equal(t, want, nodeName(name))
	}
}
