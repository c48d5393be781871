package environments

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/test/redistest"
)

// The rights that docs/redis-rabbitmq.md lists. INFO is not among them.
const (
	redisRights    = "~im:* resetchannels -@all +get +set +exists +del +sadd +srem +smembers +hgetall +hget +hset +hdel +pexpire +eval +evalsha"
	clusterRights  = "+cluster|slots +asking"
	scanRight      = "+scan"
	databaseRight  = "+select"
	sentinelRights = "resetkeys resetchannels &+switch-master &+replica-reconf-done -@all +sentinel|get-master-addr-by-name +sentinel|sentinels +subscribe +ping"
)

// ownRights are redisRights with the prefixes of tests.
var ownRights = strings.Replace(redisRights, "~im:*", "~imtest-*", 1)

func requireDocumented(t *testing.T, text string) {
	t.Helper()
	documented, err := os.ReadFile("../../docs/redis-rabbitmq.md")
	require.NoError(t, err)
	require.True(t, strings.Contains(string(documented), text), "docs/redis-rabbitmq.md does not have %q", text)
}

// TestRedisACL: a user with the rights that the documentation lists, and no others.
func TestRedisACL(t *testing.T) {
	t.Parallel()
	requireDocumented(t, "ACL SETUSER im on >secret "+redisRights)
	t.Run("one server", func(t *testing.T) {
		t.Parallel()
		server := redistest.StartServer(t, "user im on >secret "+ownRights)
		p := startNodePair(t, "IM_REDIS_URL="+server.URLOf("im", "secret"))
		p.requireFastPath()
		status, answer := call(t, p.one, http.MethodGet, "/v1/stats", nil)
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Contains(t, answer["detail"], "denies its user a command")
		server.Do(t, "acl", "setuser", "im", scanRight)
		p.requireStats(2)
	})
	t.Run("another database", func(t *testing.T) {
		t.Parallel()
		server := redistest.StartServer(t, "user im on >secret "+ownRights+" "+databaseRight)
		startNodePair(t, "IM_REDIS_URL="+server.URLOf("im", "secret")+"/3").requireFastPath()
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		cluster := redistest.StartCluster(t, 0, "user im on >secret "+ownRights+" "+clusterRights+" "+scanRight)
		p := startNodePair(t, "IM_REDIS_URL="+cluster.Nodes[0].URLOf("im", "secret"))
		p.requireFastPath()
		p.requireStats(2)
	})
	t.Run("too few rights", func(t *testing.T) {
		t.Parallel()
		server := redistest.StartServer(t, "user im on >secret "+ownRights+" -evalsha")
		requireRefused(t, "IM_REDIS_URL", "denies its user a command", "IM_REDIS_URL="+server.URLOf("im", "secret"))
		requireRefused(t, "IM_REDIS_URL", "denies its user a command or a key", "IM_REDIS_URL="+server.URLOf("im", "secret"), "IM_PREFIX=other")
	})
}

// TestRedisTakesNoWrites: a full server, and one that became a replica. The nodes say
// so, and everything goes to all nodes.
func TestRedisTakesNoWrites(t *testing.T) {
	t.Parallel()
	server := redistest.StartServer(t)
	p := startNodePair(t, "IM_REDIS_URL="+server.URL())
	for reason, commands := range map[string][2][]any{
		"Redis is full (maxmemory)": {{"config", "set", "maxmemory", "1"}, {"config", "set", "maxmemory", "0"}},
		"read-only replica":         {{"replicaof", "127.0.0.1", "1"}, {"replicaof", "no", "one"}},
	} {
		t.Run(reason, func(t *testing.T) {
			p.t = t
			server.Do(t, commands[0]...)
			t.Cleanup(func() { server.Do(t, commands[1]...) })
			awaitDegraded(t, p.one, "redis", reason)
			awaitDegraded(t, p.two, "redis", reason)
			p.requireBroadcast()
			server.Do(t, commands[1]...)
			p.one.AwaitReady()
			p.two.AwaitReady()
			p.requireFastPath()
		})
	}
}
