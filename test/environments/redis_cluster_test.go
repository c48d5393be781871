package environments

import (
	"net/http"
	"slices"
	"testing"

	"im/test/eventually"
	"im/test/redistest"
)

// TestRedisCluster: a cluster is used whether the URL names one node of it or all.
func TestRedisCluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 0)
	for name, redisURL := range map[string]string{"the address of one node": cluster.URL(), "the addresses of all nodes": cluster.URLOfAll()} {
		t.Run(name, func(t *testing.T) {
			p := startNodePair(t, "IM_REDIS_URL="+redisURL)
			p.requireFastPath()
			p.requireStats(2)
		})
	}
	t.Run("another database", func(t *testing.T) {
		requireRefused(t, "IM_REDIS_URL", "only database 0", "IM_REDIS_URL="+cluster.URL()+"/1")
	})
}

// requireStats requires that the statistics know the sessions of both nodes.
func (p *nodePair) requireStats(sessions int) {
	p.t.Helper()
	eventually.True(p.t, "all sessions are counted", func() bool {
		status, answer := call(p.t, p.one, http.MethodGet, "/v1/stats", nil)
		return status == http.StatusOK && answer["sessions"] == float64(sessions)
	})
}

// TestRedisClusterFailover: each master in turn crashes, and its replica takes over.
func TestRedisClusterFailover(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 1)
	p := startNodePair(t, "IM_REDIS_URL="+cluster.URL())
	for i := range 3 {
		cluster.Nodes[i].Kill(t)
		eventually.True(t, "the replica has taken over", func() bool {
			masters, _ := cluster.Masters(t, 5-i)
			return len(masters) == 3 && slices.Contains(masters, cluster.Nodes[i+3])
		})
		p.one.AwaitReady()
		p.two.AwaitReady()
		p.requireFastPath()
		p.requireStats(2)
		cluster.Nodes[i].Start(t)
		cluster.AwaitComplete(t)
	}
}

// TestRedisClusterWithoutAServer: a master without a replica is away. The nodes say so,
// and everything goes to all nodes.
func TestRedisClusterWithoutAServer(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 0)
	p := startNodePair(t, "IM_REDIS_URL="+cluster.URL())
	cluster.Nodes[1].Kill(t)
	awaitDegraded(t, p.one, "redis", "Redis")
	awaitDegraded(t, p.two, "redis", "Redis")
	p.requireBroadcast()
	cluster.Nodes[1].Start(t)
	p.one.AwaitReady()
	p.two.AwaitReady()
	p.requireFastPath()
}

// requireBroadcast requires that messages come to bob by RabbitMQ though Redis does not
// know where he is.
func (p *nodePair) requireBroadcast() {
	p.t.Helper()
	for range 3 {
		sent, received := p.one.Count(sentToAll), p.two.Count(fromAnother)
		p.awaitEvent(p.send())
		eventually.True(p.t, "RabbitMQ brings it", func() bool { return p.one.Count(sentToAll) > sent && p.two.Count(fromAnother) > received })
	}
	eventually.True(p.t, "RabbitMQ brings typing signals", func() bool { return p.signalled(p.setTyping, isTyping) })
}
