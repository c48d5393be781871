package routing

import (
	"encoding/json"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"im/domain"
)

// TestRegistry runs on Redis and on what im dev has in its place.
func TestRegistry(t *testing.T) {
	t.Run("Redis", func(t *testing.T) { testRegistry(t, realRedis) })
	t.Run("miniredis", func(t *testing.T) { testRegistry(t, embeddedRedis) })
}

// town is a cluster of nodes on one Redis and one in-process broker.
type town struct {
	client  redis.UniversalClient
	prefix  string
	broker  *InProcess
	timeout time.Duration // of Redis
}

func newTown(t *testing.T, open func(*testing.T) redis.UniversalClient) *town {
	w := &town{client: open(t), prefix: newPrefix(), broker: NewInProcess(testLogger(t)), timeout: calm}
	forget(t, w.client, w.prefix)
	return w
}

func (w *town) node(t *testing.T, name string) *member {
	t.Helper()
	return w.limited(t, name, 0)
}

// limited is a node that lets a user have so many sessions; the usual if 0.
func (w *town) limited(t *testing.T, name string, sessions int) *member {
	t.Helper()
	m := startNode(t, Options{Name: name, Prefix: w.prefix, Redis: w.client, Broker: w.broker, SessionsPerUser: sessions, RedisTimeout: w.timeout})
	m.awaitReady(t)
	return m
}

// entries are a user's sessions in Redis, and the node of each.
func (w *town) entries(t *testing.T, user domain.UserID) map[domain.SessionID]domain.NodeID {
	t.Helper()
	all, err := w.client.HGetAll(t.Context(), w.prefix+":user:"+string(user)).Result()
	require.NoError(t, err)
	nodes := make(map[domain.SessionID]domain.NodeID, len(all))
	for session, value := range all {
		node, _, _ := strings.Cut(value, " ")
		nodes[domain.SessionID(session)] = domain.NodeID(node)
	}
	return nodes
}

func testRegistry(t *testing.T, open func(*testing.T) redis.UniversalClient) {
	t.Run("a newer session of a device replaces the older, across nodes", func(t *testing.T) {
		w := newTown(t, open)
		a, b := w.node(t, "a"), w.node(t, "b")
		old, young := entry("u", "phone", 1), entry("u", "phone", 2)
		other := entry("u", "laptop", 3)
		for _, e := range []domain.SessionEntry{old, other} {
			a.local.join(e)
			require.NoError(t, a.Register(t.Context(), e, false))
		}
		b.local.join(young)
		require.NoError(t, b.Register(t.Context(), young, false))
		eventually(t, "the older session is told", func() bool { return a.local.ended()[old.Session] == 4402 })
		require.Equal(t, map[domain.SessionID]domain.NodeID{young.Session: b.ID(), other.Session: a.ID()}, w.entries(t, "u"))
		require.NotContains(t, a.local.ended(), other.Session)
		require.Empty(t, b.local.ended()[young.Session])
	})
	t.Run("an older session cannot replace a newer one", func(t *testing.T) {
		w := newTown(t, open)
		a, b := w.node(t, "a"), w.node(t, "b")
		require.NoError(t, a.Register(t.Context(), entry("u", "phone", 10), false))
		require.ErrorIs(t, b.Register(t.Context(), entry("u", "phone", 9), false), domain.ErrConflict)
		require.Len(t, w.entries(t, "u"), 1)
	})
	t.Run("registering again changes nothing", func(t *testing.T) {
		w := newTown(t, open)
		a := w.node(t, "a")
		e := entry("u", "phone", 1)
		a.local.join(e)
		require.NoError(t, a.Register(t.Context(), e, false))
		require.NoError(t, a.Register(t.Context(), e, false))
		require.Len(t, w.entries(t, "u"), 1)
		require.Empty(t, a.local.ended())
	})
	t.Run("single: a newer session replaces all, an older none", func(t *testing.T) {
		w := newTown(t, open)
		a, b := w.node(t, "a"), w.node(t, "b")
		one, two, three := entry("u", "phone", 1), entry("u", "laptop", 2), entry("u", "tablet", 3)
		for _, e := range []domain.SessionEntry{one, two} {
			a.local.join(e)
			require.NoError(t, a.Register(t.Context(), e, false))
		}
		require.NoError(t, b.Register(t.Context(), three, true))
		eventually(t, "both are told", func() bool {
			ended := a.local.ended()
			return ended[one.Session] == 4402 && ended[two.Session] == 4402
		})
		require.Len(t, w.entries(t, "u"), 1)
		require.ErrorIs(t, a.Register(t.Context(), entry("u", "watch", 2), true), domain.ErrConflict)
	})
	t.Run("so many sessions of a user, across nodes", func(t *testing.T) {
		w := newTown(t, open)
		a, b := w.limited(t, "a", 3), w.limited(t, "b", 3)
		one, _ := a.connect(t, "u", 1), b.connect(t, "u", 2)
		b.connect(t, "u", 3)
		fourth := entry("u", "d4", 4)
		require.ErrorIs(t, a.Register(t.Context(), fourth, false), domain.ErrLimitExceeded)
		require.Len(t, w.entries(t, "u"), 3)
		require.NoError(t, b.Register(t.Context(), one, false), "it is one of the three")
		again := entry("u", "d1", 5)
		require.NoError(t, b.Register(t.Context(), again, false), "it replaces one")
		require.NoError(t, a.Register(t.Context(), entry("v", "d4", 6), false), "somebody else's")
		a.local.leave(again)
		require.NoError(t, a.Unregister(t.Context(), again))
		require.NoError(t, a.Register(t.Context(), fourth, false))
		require.Empty(t, a.local.ended()[fourth.Session])
	})
	t.Run("sessions of dead nodes are not among the many", func(t *testing.T) {
		w := newTown(t, open)
		a := w.limited(t, "a", 1)
		dead := "dead-0000000000"
		require.NoError(t, w.client.SAdd(t.Context(), w.prefix+":nodes", dead).Err())
		eventually(t, "the node is seen to be dead", func() bool { return a.registry.lookups.view.isDead(domain.NodeID(dead)) })
		require.NoError(t, w.client.HSet(t.Context(), w.prefix+":user:u", "old", dead+" d9 1 eepoch-1 0").Err())
		e := entry("u", "d1", 2)
		a.local.join(e)
		require.NoError(t, a.Register(t.Context(), e, false))
		require.ErrorIs(t, a.Register(t.Context(), entry("u", "d2", 3), false), domain.ErrLimitExceeded)
		require.Len(t, w.entries(t, "u"), 1, "the entry of the dead node is gone")
	})
	t.Run("numbers of another epoch do not compare", func(t *testing.T) {
		w := newTown(t, open)
		a := w.node(t, "a")
		before, now := entry("u", "phone", 100), entry("u", "phone", 5)
		before.Session, now.Epoch = "s-before", "epoch 2: odd/characters"
		require.NoError(t, a.Register(t.Context(), before, false))
		require.NoError(t, a.Register(t.Context(), now, false))
		require.Equal(t, map[domain.SessionID]domain.NodeID{now.Session: a.ID()}, w.entries(t, "u"))
	})
	t.Run("unregistering removes that session only", func(t *testing.T) {
		w := newTown(t, open)
		a := w.node(t, "a")
		one, two := a.connect(t, "u", 1), a.connect(t, "u", 2)
		a.local.leave(one)
		require.NoError(t, a.Unregister(t.Context(), one))
		require.Equal(t, map[domain.SessionID]domain.NodeID{two.Session: a.ID()}, w.entries(t, "u"))
	})
	t.Run("keys do not stay for ever", func(t *testing.T) {
		w := newTown(t, open)
		a := w.node(t, "a")
		a.connect(t, "u", 1)
		ttl, err := w.client.PTTL(t.Context(), w.prefix+":user:u").Result()
		require.NoError(t, err)
		require.Greater(t, ttl, time.Minute)
		require.LessOrEqual(t, ttl, userTTL)
		ttl, err = w.client.PTTL(t.Context(), w.prefix+":node:"+string(a.ID())).Result()
		require.NoError(t, err)
		require.Positive(t, ttl)
		require.LessOrEqual(t, ttl, leaseTTL)
	})
	t.Run("a node that stops leaves nothing", func(t *testing.T) {
		w := newTown(t, open)
		a, b := w.node(t, "a"), w.node(t, "b")
		a.connect(t, "u", 1)
		kept := b.connect(t, "u", 2)
		a.stop()
		require.Equal(t, map[domain.SessionID]domain.NodeID{kept.Session: b.ID()}, w.entries(t, "u"))
		nodes, err := w.client.SMembers(t.Context(), w.prefix+":nodes").Result()
		require.NoError(t, err)
		require.Equal(t, []string{string(b.ID())}, nodes)
		require.NoError(t, a.Register(t.Context(), entry("u", "late", 9), false))
		require.Len(t, w.entries(t, "u"), 1)
	})
	t.Run("the lease outlives its first ten seconds", func(t *testing.T) {
		w := newTown(t, open)
		a := w.node(t, "a")
		id, key := a.ID(), w.prefix+":node:"+string(a.ID())
		require.NoError(t, w.client.PExpire(t.Context(), key, 9*time.Second).Err())
		eventually(t, "the lease is renewed", func() bool {
			return w.client.PTTL(t.Context(), key).Val() > 9*time.Second
		})
		require.Equal(t, id, a.ID())
	})
	t.Run("a lost lease makes a new node of it, still reached", func(t *testing.T) {
		w := newTown(t, open)
		a, b := w.node(t, "a"), w.node(t, "b")
		e := b.connect(t, "u", 1)
		before := b.ID()
		require.NoError(t, w.client.Del(t.Context(), w.prefix+":node:"+string(before)).Err())
		eventually(t, "new id, registered again", func() bool {
			return b.ID() != before && w.entries(t, "u")[e.Session] == b.ID()
		})
		id, seq := newConversation(), int64(0)
		eventually(t, "delivered", func() bool {
			seq++
			a.commit(committed(id, seq, "u"))
			return len(b.local.seqs(id)) > 0
		})
		require.Zero(t, a.Stats().Broadcast)
		require.Empty(t, b.local.ended())
	})
	t.Run("the sessions of a user are listed, those of dead nodes not", func(t *testing.T) {
		w := newTown(t, open)
		a, b := w.node(t, "a"), w.node(t, "b")
		first := entry("u", "phone", 1)
		first.Connected, first.Background = domain.TimeOf(time.UnixMilli(1_700_000_000_123)), true
		require.NoError(t, b.Register(t.Context(), first, false))
		second := a.connect(t, "u", 2)
		require.NoError(t, w.client.HSet(t.Context(), w.prefix+":user:u", "s-ghost", "dead-1 ghost 7 eepoch-1 0 5").Err())
		list, err := a.SessionsOf(t.Context(), "u")
		require.NoError(t, err)
		require.ElementsMatch(t, []domain.LiveSession{
			{SessionID: first.Session, DeviceID: "phone", NodeID: b.ID(), Background: true, ConnectedAt: first.Connected},
			{SessionID: second.Session, DeviceID: second.Device, NodeID: a.ID(), ConnectedAt: domain.TimeOf(time.UnixMilli(0))},
		}, list)
		list, err = a.SessionsOf(t.Context(), "nobody")
		require.NoError(t, err)
		require.Empty(t, list)
		require.NotNil(t, list)
		third := b.connect(t, "v", 3)
		each, err := a.SessionsOfEach(t.Context(), []domain.UserID{"u", "nobody", "v"})
		require.NoError(t, err)
		require.Len(t, each, 2)
		require.Len(t, each["u"], 2)
		require.Equal(t, third.Session, each["v"][0].SessionID)
	})
	t.Run("a census counts users once, and what is dead not at all", func(t *testing.T) {
		w := newTown(t, open)
		a, b := w.node(t, "a"), w.node(t, "b")
		a.connect(t, "u", 1)
		a.connect(t, "u", 2)
		b.connect(t, "u", 3)
		asleep := entry("v", "phone", 4)
		asleep.Background = true
		require.NoError(t, b.Register(t.Context(), asleep, false))
		require.NoError(t, w.client.HSet(t.Context(), w.prefix+":user:ghost", "s-ghost", "dead-1 ghost 7 eepoch-1 0 5").Err())
		got, err := a.ClusterStats(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, got.OnlineUsers)
		require.Equal(t, 4, got.Sessions)
		require.Len(t, got.Nodes, 2)
		require.Equal(t, []int{2, 1, 2, 2}, []int{got.Nodes[0].Sessions, got.Nodes[0].Users, got.Nodes[1].Sessions, got.Nodes[1].Users})
		for i, node := range []*member{a, b} {
			require.Equal(t, node.ID(), got.Nodes[i].NodeID)
			require.WithinDuration(t, time.Now(), got.Nodes[i].StartedAt.Time, time.Minute)
		}
	})
	t.Run("a signal to everybody reaches every node", func(t *testing.T) {
		w := newTown(t, open)
		a, b := w.node(t, "a"), w.node(t, "b")
		eventually(t, "told", func() bool {
			a.Signal(domain.Broadcast{Frame: json.RawMessage(`{"type":"notice"}`)})
			return len(a.local.frames("")) > 0 && len(b.local.frames("")) > 0
		})
	})
	t.Run("a session replaced while Redis did not know of it ends", func(t *testing.T) {
		w := newTown(t, open)
		a, b := w.node(t, "a"), w.node(t, "b")
		old := entry("u", "phone", 1)
		a.local.join(old) // as if registered before everything was lost
		require.NoError(t, b.Register(t.Context(), entry("u", "phone", 2), false))
		require.NoError(t, w.client.Del(t.Context(), w.prefix+":node:"+string(a.ID())).Err())
		eventually(t, "the old session ends", func() bool { return a.local.ended()[old.Session] == 4402 })
		require.Len(t, w.entries(t, "u"), 1)
	})
	t.Run("entries of dead nodes do not count and are swept", func(t *testing.T) {
		w := newTown(t, open)
		a, b := w.node(t, "a"), w.node(t, "b")
		alive := b.connect(t, "u", 1)
		key := w.prefix + ":user:u"
		require.NoError(t, w.client.HSet(t.Context(), key, "s-ghost", "dead-1 ghost 7 eepoch-1 0").Err())
		id, seq := newConversation(), int64(0)
		eventually(t, "the ghost is swept", func() bool {
			seq++
			a.commit(committed(id, seq, "u"))
			_, there := w.entries(t, "u")["s-ghost"]
			return !there
		})
		require.Contains(t, w.entries(t, "u"), alive.Session)
		eventually(t, "the living is told", func() bool { return b.local.got(id, seq) })
	})
	t.Run("sweeping spares a session that came back under a new node", func(t *testing.T) {
		w := newTown(t, open)
		a := w.node(t, "a")
		e := a.connect(t, "u", 1)
		a.registry.toRemove(e.Session, removal{user: "u", of: "a-dead"})
		a.registry.toRemove("s-gone", removal{user: "u"})
		eventually(t, "the sweep has run", func() bool {
			a.registry.mu.Lock()
			defer a.registry.mu.Unlock()
			return len(a.registry.removal) == 0
		})
		require.NoError(t, a.registry.removeLeft(t.Context()))
		require.Contains(t, w.entries(t, "u"), e.Session)
	})
	t.Run("a session that ends while all are registered again does not stay", func(t *testing.T) {
		w := newTown(t, open)
		a := w.node(t, "a")
		ends, stays := a.connect(t, "u", 1), a.connect(t, "u", 2)
		listed := make(chan struct{})
		a.local.mu.Lock()
		a.local.onList = sync.OnceFunc(func() {
			a.local.leave(ends)
			_ = a.Unregister(t.Context(), ends)
			close(listed)
		})
		a.local.mu.Unlock()
		a.registry.again.Store(true)
		<-listed
		eventually(t, "all were registered", func() bool { return !a.registry.busy.Load() && !a.registry.again.Load() })
		eventually(t, "it is gone again", func() bool {
			return reflect.DeepEqual(map[domain.SessionID]domain.NodeID{stays.Session: a.ID()}, w.entries(t, "u"))
		})
	})
	t.Run("thousands are registered again", func(t *testing.T) {
		w := newTown(t, open)
		a := w.node(t, "a")
		const sessions = 2*registerChunk + 7
		for i := range int64(sessions) {
			a.local.join(entry(domain.UserID("u"+string(rune('a'+i%20))), domain.DeviceID("d"+time.Duration(i).String()), i+1))
		}
		require.NoError(t, w.client.Del(t.Context(), w.prefix+":node:"+string(a.ID())).Err())
		eventually(t, "all are there", func() bool {
			total := 0
			for c := range 20 {
				total += len(w.entries(t, domain.UserID("u"+string(rune('a'+c)))))
			}
			return total == sessions
		})
	})
}

func TestNodeName(t *testing.T) {
	for name, want := range map[string]string{
		"host-1.example_x": "host-1.example_x", "": "node", "a b/c\x00é": "a-b-c--",
		strings.Repeat("x", 200): strings.Repeat("x", 64),
	} {
		require.Equal(t, want, nodeName(name))
	}
}

func TestView(t *testing.T) {
	v := &newLookups(nil).view
	now := time.Now()
	require.False(t, v.isDead("new"), "unknown counts as living")
	require.ElementsMatch(t, []domain.NodeID{"own", "known", "new"}, v.candidates([]string{"known", "own"}, "own"))
	forgotten, died := v.update(map[domain.NodeID]bool{"own": true, "known": true, "new": false}, now)
	require.Empty(t, forgotten)
	require.True(t, died)
	require.True(t, v.isDead("new"))
	require.False(t, v.isDead("known"))
	forgotten, died = v.update(map[domain.NodeID]bool{"own": true, "known": true, "new": false}, now.Add(deadMemory-1))
	require.Empty(t, forgotten)
	require.False(t, died)
	forgotten, died = v.update(map[domain.NodeID]bool{"own": true}, now.Add(deadMemory))
	require.Equal(t, []any{"new"}, forgotten)
	require.False(t, died)
	require.False(t, v.isDead("new"))
}
