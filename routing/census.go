package routing

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"im/domain"
)

const censusTimeout = 2 * time.Second

// SessionsOf lists the live sessions of a user in the whole cluster, the oldest
// first. Those of nodes whose lease has ended do not count. It fails with
// domain.ErrUnavailable while Redis is away.
func (n *Node) SessionsOf(ctx context.Context, user domain.UserID) ([]domain.LiveSession, error) {
	each, err := n.SessionsOfEach(ctx, []domain.UserID{user})
	if err != nil {
		return nil, err
	}
	return append([]domain.LiveSession{}, each[user]...), nil
}

// SessionsOfEach is SessionsOf several users, in two round trips. Who has no
// session has no entry; without an error it is never nil.
func (n *Node) SessionsOfEach(ctx context.Context, users []domain.UserID) (map[domain.UserID][]domain.LiveSession, error) {
	r := n.registry
	ctx, cancel := context.WithTimeout(ctx, r.atLeast(censusTimeout))
	defer cancel()
	each := make(map[domain.UserID][]domain.LiveSession, len(users))
	if len(users) == 0 {
		return each, nil
	}
	pipe := r.redis.Pipeline()
	answers := make([]*redis.MapStringStringCmd, len(users))
	for i, user := range users {
		answers[i] = pipe.HGetAll(ctx, r.userKey(user))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, domain.ErrUnavailable.WithCause(err)
	}
	nodes := map[domain.NodeID]bool{}
	for i, user := range users {
		for session, value := range answers[i].Val() {
			if s, ok := liveSession(domain.SessionID(session), value); ok {
				each[user] = append(each[user], s)
				nodes[s.NodeID] = false
			}
		}
	}
	if err := r.leased(ctx, nodes); err != nil {
		return nil, domain.ErrUnavailable.WithCause(err)
	}
	for user, list := range each {
		if list = oldestFirst(list, nodes); len(list) == 0 {
			delete(each, user)
		} else {
			each[user] = list
		}
	}
	return each, nil
}

// oldestFirst leaves out what is not on one of the living nodes.
func oldestFirst(list []domain.LiveSession, living map[domain.NodeID]bool) []domain.LiveSession {
	list = slices.DeleteFunc(list, func(s domain.LiveSession) bool { return !living[s.NodeID] })
	slices.SortFunc(list, func(a, b domain.LiveSession) int {
		return cmp.Or(a.ConnectedAt.Compare(b.ConnectedAt.Time), cmp.Compare(a.SessionID, b.SessionID))
	})
	return list
}

// liveSession reads what registerScript wrote.
func liveSession(session domain.SessionID, value string) (domain.LiveSession, bool) {
	fields := strings.Fields(value) // node device number epoch background connected
	if len(fields) < 6 {
		return domain.LiveSession{}, false
	}
	connected, err := strconv.ParseInt(fields[5], 10, 64)
	return domain.LiveSession{
		SessionID: session, NodeID: domain.NodeID(fields[0]), DeviceID: domain.DeviceID(fields[1]),
		Background: fields[4] == "1", ConnectedAt: domain.TimeOf(time.UnixMilli(connected)),
	}, err == nil
}

// leased sets those of nodes to true that hold a lease.
func (r *registry) leased(ctx context.Context, nodes map[domain.NodeID]bool) error {
	if len(nodes) == 0 {
		return nil
	}
	pipe := r.redis.Pipeline()
	leases := make(map[domain.NodeID]*redis.IntCmd, len(nodes))
	for node := range nodes {
		leases[node] = pipe.Exists(ctx, r.leaseKey(node))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	for node, lease := range leases {
		nodes[node] = lease.Val() == 1
	}
	return nil
}

// scanCount is about how many keys one step of a census goes through.
const scanCount = 1000

// ClusterStats counts all live sessions of the cluster. It goes through all keys of
// the Redis database, so it is for now and then. It fails with
// domain.ErrUnavailable while Redis is away.
func (n *Node) ClusterStats(ctx context.Context) (domain.ClusterStats, error) {
	ctx, cancel := context.WithTimeout(ctx, n.registry.atLeast(censusTimeout))
	defer cancel()
	t := &tally{registry: n.registry, nodes: map[domain.NodeID]*domain.NodeStats{}}
	err := t.readNodes(ctx)
	if err == nil {
		err = t.readUsers(ctx)
	}
	if err != nil {
		return domain.ClusterStats{}, domain.ErrUnavailable.WithCause(err)
	}
	t.census.Nodes = []domain.NodeStats{}
	for _, node := range t.nodes {
		t.census.Nodes = append(t.census.Nodes, *node)
	}
	slices.SortFunc(t.census.Nodes, func(a, b domain.NodeStats) int { return cmp.Compare(a.NodeID, b.NodeID) })
	return t.census, nil
}

// tally is a census under way.
type tally struct {
	registry *registry
	seen     map[string]struct{} // keys; a scan may show one twice
	nodes    map[domain.NodeID]*domain.NodeStats
	census   domain.ClusterStats
}

// readNodes finds the nodes that hold a lease.
func (t *tally) readNodes(ctx context.Context) error {
	r := t.registry
	known, err := r.redis.SMembers(ctx, r.nodesKey()).Result()
	if err != nil {
		return err
	}
	pipe := r.redis.Pipeline()
	leases := make([]*redis.StringCmd, len(known))
	for i, node := range known {
		leases[i] = pipe.Get(ctx, r.leaseKey(domain.NodeID(node)))
	}
	_, _ = pipe.Exec(ctx) // each command tells for itself
	for i, lease := range leases {
		started, err := lease.Int64()
		switch {
		case errors.Is(err, redis.Nil):
			continue // its lease has ended
		case err != nil:
			return err
		}
		id := domain.NodeID(known[i])
		t.nodes[id] = &domain.NodeStats{NodeID: id, StartedAt: domain.TimeOf(time.UnixMilli(started))}
	}
	return nil
}

// readUsers goes through the users of every server of Redis.
func (t *tally) readUsers(ctx context.Context) error {
	t.seen = map[string]struct{}{}
	cluster, ok := t.registry.redis.(*redis.ClusterClient)
	if !ok {
		return t.scan(ctx, t.registry.redis)
	}
	var one sync.Mutex
	return cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
		one.Lock()
		defer one.Unlock()
		return t.scan(ctx, master)
	})
}

func (t *tally) scan(ctx context.Context, server redis.Cmdable) error {
	var cursor uint64
	for {
		keys, next, err := server.Scan(ctx, cursor, t.registry.userKey("*"), scanCount).Result()
		if err != nil {
			return err
		}
		if err := t.count(ctx, keys); err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

func (t *tally) count(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	pipe := t.registry.redis.Pipeline()
	users := make([]*redis.MapStringStringCmd, len(keys))
	for i, key := range keys {
		users[i] = pipe.HGetAll(ctx, key)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	for i, user := range users {
		if _, again := t.seen[keys[i]]; !again {
			t.seen[keys[i]] = struct{}{}
			t.add(user.Val())
		}
	}
	return nil
}

// add counts one user.
func (t *tally) add(entries map[string]string) {
	online := false
	at := map[domain.NodeID]struct{}{}
	for session, value := range entries {
		s, ok := liveSession(domain.SessionID(session), value)
		node := t.nodes[s.NodeID]
		if !ok || node == nil {
			continue
		}
		online = online || !s.Background
		at[s.NodeID] = struct{}{}
		node.Sessions++
		t.census.Sessions++
	}
	for node := range at {
		t.nodes[node].Users++
	}
	if online {
		t.census.OnlineUsers++
	}
}
