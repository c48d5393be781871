package registry

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"im/domain"
)

const scanCount = 1000 // keys that Redis looks at in one step, about

// ClusterStats counts the live sessions of the whole cluster. It reads all keys of the
// Redis database, so it should be called rarely. It fails with domain.ErrUnavailable
// while Redis is unreachable.
func (r *Registry) ClusterStats(ctx context.Context) (domain.ClusterStats, error) {
	ctx, cancel := context.WithTimeout(ctx, r.atLeast(liveTimeout))
	defer cancel()
	s := statsScan{registry: r, seen: map[string]struct{}{}, nodes: map[domain.NodeID]*domain.NodeStats{}}
	err := s.readNodes(ctx)
	if err == nil {
		err = s.readUsers(ctx)
	}
	if err != nil {
		return domain.ClusterStats{}, unavailable(err)
	}
	s.stats.Nodes = []domain.NodeStats{}
	for _, node := range s.nodes {
		s.stats.Nodes = append(s.stats.Nodes, *node)
	}
	slices.SortFunc(s.stats.Nodes, func(a, b domain.NodeStats) int { return cmp.Compare(a.NodeID, b.NodeID) })
	return s.stats, nil
}

// statsScan is a call of ClusterStats.
type statsScan struct {
	registry *Registry
	seen     map[string]struct{} // keys that were counted; a scan may return one twice
	nodes    map[domain.NodeID]*domain.NodeStats
	stats    domain.ClusterStats
}

// readNodes finds the nodes that have a lease.
func (s *statsScan) readNodes(ctx context.Context) error {
	r := s.registry
	known, err := r.redis.SMembers(ctx, r.nodesKey()).Result()
	if err != nil {
		return err
	}
	pipe := r.redis.Pipeline()
	leases := make([]*redis.StringCmd, len(known))
	for i, node := range known {
		leases[i] = pipe.Get(ctx, r.leaseKey(domain.NodeID(node)))
	}
	_, _ = pipe.Exec(ctx) // each command has its error
	for i, lease := range leases {
		started, err := lease.Int64()
		switch {
		case errors.Is(err, redis.Nil):
			continue // the lease has ended
		case err != nil:
			return err
		}
		id := domain.NodeID(known[i])
		s.nodes[id] = &domain.NodeStats{NodeID: id, StartedAt: domain.TimeOf(time.UnixMilli(started))}
	}
	return nil
}

// readUsers reads the users from every server of Redis.
func (s *statsScan) readUsers(ctx context.Context) error {
	cluster := clusterOf(s.registry.redis)
	if cluster == nil {
		return s.scan(ctx, s.registry.redis)
	}
	var mu sync.Mutex // ForEachMaster calls concurrently
	return cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		return s.scan(ctx, master)
	})
}

func (s *statsScan) scan(ctx context.Context, server redis.Cmdable) error {
	var cursor uint64
	for {
		keys, next, err := server.Scan(ctx, cursor, s.registry.userKey("*"), scanCount).Result()
		if err != nil {
			return err
		}
		if err := s.addUsers(ctx, keys); err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// addUsers counts the users of keys that were not counted before.
func (s *statsScan) addUsers(ctx context.Context, keys []string) error {
	keys = slices.DeleteFunc(keys, func(key string) bool {
		_, counted := s.seen[key]
		s.seen[key] = struct{}{}
		return counted
	})
	if len(keys) == 0 {
		return nil
	}
	pipe := s.registry.redis.Pipeline()
	users := make([]*redis.MapStringStringCmd, len(keys))
	for i, key := range keys {
		users[i] = pipe.HGetAll(ctx, key)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	for _, user := range users {
		s.addUser(user.Val())
	}
	return nil
}

// addUser counts the sessions of one user.
func (s *statsScan) addUser(entries map[string]string) {
	online := false
	on := map[*domain.NodeStats]struct{}{}
	for session, value := range entries {
		live, ok := liveSession(domain.SessionID(session), value)
		node := s.nodes[live.NodeID]
		if !ok || node == nil {
			continue
		}
		online = online || !live.Background
		on[node] = struct{}{}
		node.Sessions++
		s.stats.Sessions++
	}
	for node := range on {
		node.Users++
	}
	if online {
		s.stats.OnlineUsers++
	}
}
