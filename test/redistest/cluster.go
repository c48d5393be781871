package redistest

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/require"

	"im/internal/freeport"
	"im/test/certtest"
	"im/test/eventually"
)

const (
	masters  = 3
	allSlots = 16_384
)

// Cluster is a Redis Cluster of three masters, of the test's own. A master that is away
// is noticed after a second.
type Cluster struct {
	// Nodes are the servers. At the start, the first three are masters, and the others
	// are their replicas, in the same order.
	Nodes []*Server
}

// StartCluster starts a cluster, with a number of replicas for each master. Config has
// lines of redis.conf for each server.
func StartCluster(t testing.TB, replicas int, config ...string) *Cluster {
	t.Helper()
	return startCluster(t, replicas, func(lines ...string) *Server { return StartServer(t, append(lines, config...)...) })
}

// StartTLSCluster is StartCluster for servers that speak TLS only.
func StartTLSCluster(t testing.TB, authority *certtest.Authority, replicas int, config ...string) *Cluster {
	t.Helper()
	return startCluster(t, replicas, func(lines ...string) *Server { return StartTLSServer(t, authority, append(lines, config...)...) })
}

func startCluster(t testing.TB, replicas int, start func(config ...string) *Server) *Cluster {
	t.Helper()
	c := &Cluster{}
	buses := make([]string, masters*(1+replicas))
	for i := range buses {
		bus, err := freeport.Port()
		require.NoError(t, err)
		buses[i] = strconv.Itoa(bus)
		c.Nodes = append(c.Nodes, start(
			"cluster-enabled yes", "cluster-node-timeout 1000", "cluster-port "+buses[i], "cluster-replica-validity-factor 0",
			"repl-diskless-sync-delay 0"))
	}
	c.form(t, buses)
	eventually.NoError(t, "the cluster is complete", c.complete)
	return c
}

// form gives the slots to the masters, makes the servers known to one another, and the
// others replicas. Each server gets a config epoch, as redis-cli does it: masters with the
// same one raise it by themselves in the first seconds, and one that was taken over
// meanwhile wins its slots back.
func (c *Cluster) form(t testing.TB, buses []string) {
	t.Helper()
	for i, node := range c.Nodes {
		node.Do(t, "cluster", "set-config-epoch", strconv.Itoa(i+1))
	}
	for i, node := range c.Nodes {
		node.Do(t, "config", "set", "cluster-announce-ip", "127.0.0.1")
		if i < masters {
			node.Do(t, "cluster", "addslotsrange", strconv.Itoa(i*allSlots/masters), strconv.Itoa((i+1)*allSlots/masters-1))
		}
		host, port, err := net.SplitHostPort(node.address)
		require.NoError(t, err)
		c.Nodes[0].Do(t, "cluster", "meet", host, port, buses[i])
	}
	for i, node := range c.Nodes[masters:] {
		master, ok := c.Nodes[i%masters].Do(t, "cluster", "myid").(string)
		require.True(t, ok)
		eventually.NoError(t, "the replica follows its master", func() error {
			return node.try("cluster", "replicate", master).Err()
		})
	}
}

// complete fails unless each node knows all others, and all slots have a master whose
// replicas are up to date.
func (c *Cluster) complete() error {
	for _, node := range c.Nodes {
		info, err := node.try("cluster", "info").Text()
		if err != nil {
			return err
		}
		for _, wanted := range []string{"cluster_state:ok", fmt.Sprintf("cluster_known_nodes:%d\r", len(c.Nodes))} {
			if !strings.Contains(info, wanted) {
				return fmt.Errorf("%s: no %s in %s", node.address, wanted, info)
			}
		}
		replication, err := node.try("info", "replication").Text()
		if err != nil {
			return err
		}
		if strings.Contains(replication, "master_link_status:down") {
			return fmt.Errorf("%s has no link to its master", node.address)
		}
	}
	shards, err := c.Nodes[0].try("cluster", "slots").Slice()
	if err != nil {
		return err
	}
	for _, shard := range shards {
		if parts, ok := shard.([]any); !ok || len(parts) != 2+len(c.Nodes)/masters {
			return fmt.Errorf("a master lacks its replica: %v", shard)
		}
	}
	return nil
}

// AwaitComplete waits until all slots have a master with its replicas, as at the start.
func (c *Cluster) AwaitComplete(t testing.TB) {
	t.Helper()
	eventually.NoError(t, "the cluster is complete", c.complete)
}

// URL returns the address of the first node, alone.
func (c *Cluster) URL() string { return c.Nodes[0].URL() }

// URLOfAll returns the addresses of all nodes.
func (c *Cluster) URLOfAll() string {
	others := make([]string, 0, len(c.Nodes)-1)
	for _, node := range c.Nodes[1:] {
		others = append(others, "addr="+node.address)
	}
	return c.URL() + "?" + strings.Join(others, "&")
}

// Masters returns the servers that are masters now and those that are replicas, as node
// i sees it.
func (c *Cluster) Masters(t testing.TB, i int) (current, replicas []*Server) {
	t.Helper()
	text, ok := c.Nodes[i].Do(t, "cluster", "nodes").(string)
	require.True(t, ok)
	for _, node := range c.Nodes {
		for line := range strings.Lines(text) {
			if !strings.Contains(line, " "+node.address+"@") || strings.Contains(line, "fail") {
				continue
			}
			if strings.Contains(line, "master") {
				current = append(current, node)
			} else {
				replicas = append(replicas, node)
			}
		}
	}
	return current, replicas
}

// MasterOf returns the server that has a key, among the first three.
func (c *Cluster) MasterOf(t testing.TB, key string) *Server {
	t.Helper()
	slot, ok := c.Nodes[0].Do(t, "cluster", "keyslot", key).(int64)
	require.True(t, ok)
	return c.Nodes[int(slot)*masters/allSlots]
}

// Do runs a command on the server alone, as the user default.
func (s *Server) Do(t testing.TB, args ...any) any {
	t.Helper()
	answer, err := s.try(args...).Result()
	require.NoError(t, err)
	return answer
}

func (s *Server) try(args ...any) *redis.Cmd {
	client := redis.NewClient(&redis.Options{
		Network: "unix", Addr: s.Socket(), MaxRetries: -1, Protocol: 2, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	defer func() { _ = client.Close() }()
	return client.Do(context.Background(), args...)
}
