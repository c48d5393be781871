package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"
)

// keysPerMaster bounds the search for a key that a master holds.
const keysPerMaster = 20_000

// clusterOf returns the client of a cluster; nil for one server.
func clusterOf(client redis.UniversalClient) *redis.ClusterClient {
	if wrapped, ok := client.(*Client); ok {
		client = wrapped.UniversalClient
	}
	cluster, _ := client.(*redis.ClusterClient)
	return cluster
}

// shards are the masters of a cluster. The lease of a node is on one of them only, so
// each refresh writes a marker to every one: that shows that it takes writes, and that
// it still has what was written a refresh ago.
type shards struct {
	masters []string // addresses, sorted
	markers []marker
	written int // of the last refresh; the value of each marker
}

// marker is a key of this node that one master holds.
type marker struct {
	key, master string
	value       string // as it was written last; "" if that is unknown
}

// checkShards notices that a master of the cluster was replaced or lost data. It fails
// if one does not answer or takes no writes. Without a cluster it does nothing.
func (f *refresher) checkShards(ctx context.Context) error {
	cluster := clusterOf(f.redis)
	if cluster == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, f.atLeast(refreshTimeout))
	defer cancel()
	if err := f.findShards(ctx, cluster); err != nil {
		return err
	}
	s := &f.shards
	s.written++
	value := strconv.Itoa(s.written)
	pipe := f.redis.Pipeline()
	reads, writes := make([]*redis.StringCmd, len(s.markers)), make([]*redis.StatusCmd, len(s.markers))
	for i, m := range s.markers {
		reads[i], writes[i] = pipe.Get(ctx, m.key), pipe.Set(ctx, m.key, value, leaseTTL)
	}
	_, _ = pipe.Exec(ctx) // each command has its error
	var failed error
	for i := range s.markers {
		m := &s.markers[i]
		before := m.value
		m.value = ""
		read, err := reads[i].Result()
		if errors.Is(err, redis.Nil) {
			err = nil
		}
		if err == nil {
			err = writes[i].Err()
		}
		switch {
		case err != nil:
			failed = fmt.Errorf("redis server %s: %w", m.master, err)
			continue
		case before != "" && before != read:
			f.log.Warn("a server of the Redis Cluster lost data, registering all sessions again", "server", m.master)
			f.note(redisReplaced)
		}
		m.value = value
	}
	return failed
}

// findShards reads which masters there are and finds a key for each.
func (f *refresher) findShards(ctx context.Context, cluster *redis.ClusterClient) error {
	masters, err := mastersOf(ctx, cluster)
	if err != nil {
		return err
	}
	s := &f.shards
	if slices.Equal(masters, s.masters) && s.present(ctx, cluster) {
		return nil
	}
	if slices.ContainsFunc(s.masters, func(m string) bool { return !slices.Contains(masters, m) }) {
		f.note(redisReplaced) // its successor may lack what was written last
	}
	f.note(sessionsMissing)
	s.masters, s.markers = masters, nil
	prefix := f.prefix + ":marker:" + string(f.ID()) + ":"
	for i := 0; len(s.markers) < len(masters) && i < keysPerMaster*len(masters); i++ {
		key := prefix + strconv.Itoa(i)
		master, err := masterOf(ctx, cluster, key)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(s.markers, func(m marker) bool { return m.master == master }) {
			s.markers = append(s.markers, marker{key: key, master: master})
		}
	}
	return nil
}

// present reports whether each marker is still a key of its master.
func (s *shards) present(ctx context.Context, cluster *redis.ClusterClient) bool {
	for _, m := range s.markers {
		if master, err := masterOf(ctx, cluster, m.key); err != nil || master != m.master {
			return false
		}
	}
	return true
}

// mastersOf returns the addresses of the masters that have slots. It asks the cluster:
// the client by itself asks rarely.
func mastersOf(ctx context.Context, cluster *redis.ClusterClient) ([]string, error) {
	var mu sync.Mutex // ForEachMaster calls concurrently
	var masters []string
	err := cluster.ForEachMaster(ctx, func(_ context.Context, master *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		masters = append(masters, master.Options().Addr)
		return nil
	})
	slices.Sort(masters)
	return masters, err
}

func masterOf(ctx context.Context, cluster *redis.ClusterClient, key string) (string, error) {
	client, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		return "", err
	}
	return client.Options().Addr, nil
}
