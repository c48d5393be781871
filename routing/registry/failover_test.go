package registry

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/proxytest"
	"im/test/redistest"
)

// recovery is 3 s, within which sessions are registered again, and what a busy machine
// takes longer.
const recovery = 8 * time.Second

// manyUsers are enough that each master of a cluster has some.
const manyUsers = 50

func userOf(i int) domain.UserID { return domain.UserID(fmt.Sprint("u", i)) }

// connectMany connects sessions of many users.
func (n *node) connectMany(t *testing.T) {
	t.Helper()
	for i := range manyUsers {
		n.connect(t, userOf(i), int64(i+1))
	}
}

// registered fails unless all users have their sessions in Redis.
func (c *cluster) registered(t *testing.T, by *node) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for i := range manyUsers {
		entries, err := c.client.HGetAll(ctx, c.userKey(userOf(i))).Result()
		if err != nil {
			return err
		}
		if len(entries) != 1 {
			return fmt.Errorf("user %d has %d entries", i, len(entries))
		}
		for _, value := range entries {
			if e, _ := parseEntry(value); e.node != by.ID() {
				return fmt.Errorf("the entry of user %d is of %s", i, e.node)
			}
		}
	}
	return by.Ready()
}

func (c *cluster) forget(t *testing.T) {
	t.Helper()
	for i := range manyUsers {
		require.NoError(t, c.client.Del(t.Context(), c.userKey(userOf(i))).Err())
	}
}

// TestClusterLosesData: one master of a cluster loses what it has. The lease of the node
// may be on another one.
func TestClusterLosesData(t *testing.T) {
	t.Parallel()
	servers := redistest.StartCluster(t, 0)
	c := newCluster(t, connect(t, servers.URL(), ""))
	a := c.startWith(t, Options{Name: "a", Timeout: DefaultTimeout})
	a.connectMany(t)
	lease := servers.MasterOf(t, c.leaseKey(a))
	for name, test := range map[string]struct {
		withLease bool
		lose      func(*redistest.Server)
	}{
		"flushed":                    {withLease: true, lose: func(s *redistest.Server) { s.Do(t, "flushall") }},
		"flushed, without the lease": {lose: func(s *redistest.Server) { s.Do(t, "flushall") }},
		"killed, without the lease": {lose: func(s *redistest.Server) {
			s.Kill(t)
			eventually.True(t, "not ready", func() bool { return a.Ready() != nil })
			s.Start(t)
		}},
		"restarted at once, without the lease": {lose: func(s *redistest.Server) { s.Kill(t); s.Start(t) }},
	} {
		t.Run(name, func(t *testing.T) {
			server := lease
			if !test.withLease {
				server = servers.Nodes[(slices.Index(servers.Nodes, lease)+1)%3]
			}
			test.lose(server)
			eventually.NoError(t, "the master serves", func() error { return c.client.HGetAll(t.Context(), c.keyOn(t, servers, server)).Err() })
			lost := time.Now()
			eventually.NoError(t, "all sessions are registered", func() error { return c.registered(t, a) })
			require.Less(t, time.Since(lost), recovery)
		})
	}
}

// keyOn returns the key of a user that a master has.
func (c *cluster) keyOn(t *testing.T, servers *redistest.Cluster, master *redistest.Server) string {
	t.Helper()
	for i := range manyUsers {
		if key := c.userKey(userOf(i)); servers.MasterOf(t, key) == master {
			return key
		}
	}
	require.FailNow(t, "the master has no user")
	return ""
}

// TestClusterFailover: the replica of a master takes over after a crash, after a loss of
// the network, and while the master is fine.
func TestClusterFailover(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		withLease bool
		fail      func(t *testing.T, master, replica *redistest.Server)
	}{
		"crash": {withLease: true, fail: func(t *testing.T, master, _ *redistest.Server) { master.Kill(t) }},
		"loss of the network, without the lease": {fail: func(t *testing.T, master, _ *redistest.Server) {
			master.Pause(t)
			t.Cleanup(func() { master.Resume(t) })
		}},
		"taken over, without the lease": {fail: func(t *testing.T, _, replica *redistest.Server) { replica.Do(t, "cluster", "failover", "takeover") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers := redistest.StartCluster(t, 1)
			c := newCluster(t, connect(t, servers.URL(), ""))
			a := c.startWith(t, Options{Name: "a", Timeout: DefaultTimeout})
			a.connectMany(t)
			master := slices.Index(servers.Nodes, servers.MasterOf(t, c.leaseKey(a)))
			if !test.withLease {
				master = (master + 1) % 3
			}
			before := a.MassChanges()
			c.forget(t) // as if the replica had not got them
			test.fail(t, servers.Nodes[master], servers.Nodes[master+3])
			eventually.True(t, "the replica has taken over", func() bool {
				now, _ := servers.Masters(t, (master+1)%3)
				return len(now) == 3 && !slices.Contains(now, servers.Nodes[master])
			})
			promoted := time.Now()
			eventually.NoError(t, "all sessions are registered", func() error { return c.registered(t, a) })
			require.Less(t, time.Since(promoted), recovery)
			require.Greater(t, a.MassChanges(), before, "presence is asked for again")
		})
	}
}

// TestSentinelFailover: the Sentinels promote the replica after a crash of the master,
// after a loss of the network that hits a Sentinel too, and while the master is fine.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*testing.T, *redistest.SentinelSet){
		"crash": func(t *testing.T, set *redistest.SentinelSet) { set.Servers[0].Kill(t) },
		"loss of the network": func(t *testing.T, set *redistest.SentinelSet) {
			sentinel := set.Used(t)
			set.Servers[0].Pause(t)
			sentinel.Pause(t)
			t.Cleanup(func() { sentinel.Resume(t); set.Servers[0].Resume(t) })
		},
		"on demand": func(t *testing.T, set *redistest.SentinelSet) {
			set.Sentinels[0].Do(t, "sentinel", "failover", "mymaster")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := redistest.StartSentinelSet(t, nil, nil)
			c := newCluster(t, connect(t, set.URL(), ""))
			a := c.startWith(t, Options{Name: "a", Timeout: DefaultTimeout})
			a.connectMany(t)
			c.forget(t) // as if the replica had not got them
			fail(t, set)
			eventually.True(t, "the replica is the master", set.Servers[1].IsMaster)
			promoted := time.Now()
			eventually.NoError(t, "all sessions are registered", func() error { return c.registered(t, a) })
			require.Less(t, time.Since(promoted), recovery)
		})
	}
}

// TestFailoverBehindOneAddress: a proxy leads new connections to the new master. The
// former master is a replica now, and its connections stay.
func TestFailoverBehindOneAddress(t *testing.T) {
	t.Parallel()
	former, next := redistest.StartServer(t), redistest.StartServer(t)
	proxy := proxytest.New(t, former.Addr())
	c := newCluster(t, redistest.Open(t, next.URL()))
	a := c.startWith(t, Options{Name: "a", Timeout: DefaultTimeout, Redis: connect(t, "redis://"+proxy.Addr(), "")})
	a.connectMany(t)
	proxy.Retarget(next.Addr())
	host, port, err := net.SplitHostPort(next.Addr())
	require.NoError(t, err)
	former.Do(t, "replicaof", host, port)
	promoted := time.Now()
	eventually.NoError(t, "all sessions are registered", func() error { return c.registered(t, a) })
	require.Less(t, time.Since(promoted), recovery)
}

// TestRestartWithOlderData: Redis is restarted with the data of a snapshot, which has the
// lease of the node and lacks its sessions. Its user may not read the id of the server.
func TestRestartWithOlderData(t *testing.T) {
	t.Parallel()
	server := redistest.StartServer(t, "user im on >secret ~im:* +@all -info")
	c := newCluster(t, connect(t, "redis://im:secret@"+server.Addr(), ""))
	c.prefix = "im"
	a := c.startWith(t, Options{Name: "a", Timeout: DefaultTimeout})
	server.Do(t, "save")
	id := a.ID()
	a.connectMany(t)
	server.Kill(t)
	server.Start(t)
	back := time.Now()
	eventually.NoError(t, "all sessions are registered", func() error { return c.registered(t, a) })
	require.Less(t, time.Since(back), recovery)
	require.Equal(t, id, a.ID(), "the lease was in the snapshot")
}

// TestReadyNamesTheReason: a Redis that answers, but not as a registry needs it.
func TestReadyNamesTheReason(t *testing.T) {
	t.Parallel()
	server := redistest.StartServer(t, "user im on >secret ~im:* +@all")
	c := newCluster(t, connect(t, "redis://im:secret@"+server.Addr(), ""))
	c.prefix = "im"
	a := c.startWith(t, Options{Name: "a", Timeout: DefaultTimeout})
	a.connectMany(t)
	for name, test := range map[string]struct {
		begin, end [][]any
		reason     string
	}{
		"full": {
			begin:  [][]any{{"config", "set", "maxmemory", "1"}},
			end:    [][]any{{"config", "set", "maxmemory", "0"}},
			reason: "Redis is full (maxmemory) and takes no writes",
		},
		"a replica": {
			begin:  [][]any{{"replicaof", "127.0.0.1", "1"}},
			end:    [][]any{{"replicaof", "no", "one"}},
			reason: "the server of Redis is a read-only replica",
		},
		"too few replicas": {
			begin:  [][]any{{"config", "set", "min-replicas-to-write", "1"}},
			end:    [][]any{{"config", "set", "min-replicas-to-write", "0"}},
			reason: "Redis has too few replicas and takes no writes",
		},
		"a right taken away, of a refresh": {
			begin:  [][]any{{"acl", "setuser", "im", "-set"}},
			end:    [][]any{{"acl", "setuser", "im", "+set"}},
			reason: "denies its user a command or a key",
		},
		"a right taken away, of a lookup": {
			begin:  [][]any{{"acl", "setuser", "im", "-hgetall"}},
			end:    [][]any{{"acl", "setuser", "im", "+hgetall"}},
			reason: "denies its user a command",
		},
		"another password": {
			begin:  [][]any{{"acl", "setuser", "im", "resetpass", ">other"}, {"client", "kill", "type", "normal"}},
			end:    [][]any{{"acl", "setuser", "im", ">secret"}},
			reason: "does not accept the user name or the password",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, command := range test.begin {
				server.Do(t, command...)
			}
			eventually.True(t, "not ready, with the reason", func() bool {
				_, _ = a.NodesOf(t.Context(), setOf("somebody"))
				err := a.Ready()
				return err != nil && domainMessage(t, err) != noAnswer && requireReason(t, err, test.reason)
			})
			for _, command := range test.end {
				server.Do(t, command...)
			}
			eventually.NoError(t, "ready again, with all sessions", func() error { return c.registered(t, a) })
		})
	}
}

func domainMessage(t *testing.T, err error) string {
	t.Helper()
	var known *domain.Error
	require.ErrorAs(t, err, &known)
	return known.Message
}

func requireReason(t *testing.T, err error, reason string) bool {
	t.Helper()
	require.Contains(t, domainMessage(t, err), reason)
	return true
}

// TestNoLookupsWithoutRefreshes: while refreshes fail, sessions may be missing in a Redis
// that answers lookups. All commits go to all nodes.
func TestNoLookupsWithoutRefreshes(t *testing.T) {
	t.Parallel()
	server := redistest.StartServer(t)
	c := newCluster(t, connect(t, server.URL(), ""))
	a := c.start(t, "a")
	server.Do(t, "config", "set", "maxmemory", "1")
	eventually.True(t, "the registry is not ready", func() bool { return a.Ready() != nil })
	for since := time.Now(); time.Since(since) < 2*refreshInterval; time.Sleep(5 * time.Millisecond) {
		_, err := a.NodesOf(t.Context(), setOf("somebody"))
		require.ErrorIs(t, err, errResting)
	}
}

// TestConnectToAFullServer: a server that takes no writes is no reason not to start.
func TestConnectToAFullServer(t *testing.T) {
	t.Parallel()
	server := redistest.StartServer(t)
	server.Do(t, "config", "set", "maxmemory", "1")
	c := newCluster(t, connect(t, server.URL(), ""))
	a := c.add(t, Options{Name: "a"})
	a.run(t)
	eventually.True(t, "the reason is known", func() bool { return domainMessage(t, a.Ready()) == "Redis is full (maxmemory) and takes no writes" })
	server.Do(t, "config", "set", "maxmemory", "0")
	eventually.NoError(t, "the registry is ready", a.Ready)
}
