package registry

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/redis/go-redis/v9"

	"im/domain"
)

const (
	recentAge   = 250 * time.Millisecond
	recentUsers = 50_000
)

var errResting = errors.New("routing: redis did not answer a moment ago")

// NodesOf returns the other nodes on which the users have sessions, for each user with
// such a session. The answer is up to recentAge old: the tail of the log brings to newer
// sessions what a delivery misses. It takes one round trip at most. After an error,
// the nodes are unknown, and the caller has to send to all of them.
func (r *Registry) NodesOf(ctx context.Context, users map[domain.UserID]struct{}) (map[domain.UserID][]domain.NodeID, error) {
	nodes := make(map[domain.UserID][]domain.NodeID, len(users))
	unknown := r.recent.find(users, nodes, time.Now())
	return nodes, r.readNodesOf(ctx, unknown, nodes)
}

// RecentlyLocal reports whether it is known, and as recent as the answers of NodesOf are,
// that none of the users has a session on another node. It does not ask Redis:
// false may mean that it does not know.
func (r *Registry) RecentlyLocal(users []domain.UserID) bool {
	return r.recent.allLocal(users, time.Now())
}

// NodesNow is NodesOf without recent answers, for what the tail does not bring.
func (r *Registry) NodesNow(ctx context.Context, users map[domain.UserID]struct{}) (map[domain.UserID][]domain.NodeID, error) {
	nodes := make(map[domain.UserID][]domain.NodeID, len(users))
	return nodes, r.readNodesOf(ctx, slices.Collect(maps.Keys(users)), nodes)
}

// readNodesOf adds to nodes what Redis knows of the users.
func (r *Registry) readNodesOf(ctx context.Context, users []domain.UserID, nodes map[domain.UserID][]domain.NodeID) error {
	if len(users) == 0 {
		return nil
	}
	now := time.Now()
	if state := r.current(); state.resting(now) || !state.ready() {
		return errResting // without refreshes, Redis may lack sessions of any node
	}
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	entries, err := r.entriesOf(limited, users)
	if err != nil {
		if ctx.Err() == nil {
			r.failed("looking up users", err)
		}
		return err
	}
	r.count.lookups.Observe(time.Since(now).Seconds())
	r.count.lookedUp.Add(float64(len(users)))
	own := r.ID()
	for i, user := range users {
		if list := r.livingNodes(user, own, entries[i].Val()); len(list) > 0 {
			nodes[user] = list
		}
	}
	r.recent.add(users, nodes, now)
	return nil
}

// livingNodes returns the nodes of a user's entries, without this one. Entries of dead
// nodes do not count and are removed with the next refresh.
func (r *Registry) livingNodes(user domain.UserID, own domain.NodeID, entries map[string]string) []domain.NodeID {
	var nodes []domain.NodeID
	for session, value := range entries {
		name, _, _ := strings.Cut(value, " ")
		node := domain.NodeID(name)
		switch {
		case node == "" || node == own || slices.Contains(nodes, node):
		case r.nodes.isDead(node):
			r.removeLater(domain.SessionID(session), removal{user, node})
		default:
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// entriesOf reads the entries of users, in one round trip. Without an error, each
// command has its answer.
func (r *Registry) entriesOf(ctx context.Context, users []domain.UserID) ([]*redis.MapStringStringCmd, error) {
	pipe := r.redis.Pipeline()
	entries := make([]*redis.MapStringStringCmd, len(users))
	for i, user := range users {
		entries[i] = pipe.HGetAll(ctx, r.userKey(user))
	}
	_, err := pipe.Exec(ctx)
	return entries, err
}

// recentLookups remembers the answers of NodesOf, of users without sessions as well.
type recentLookups struct {
	mu    sync.Mutex
	users *simplelru.LRU[domain.UserID, recentLookup]
}

type recentLookup struct {
	nodes []domain.NodeID
	at    time.Time
}

func newRecentLookups() *recentLookups {
	users, err := simplelru.NewLRU[domain.UserID, recentLookup](recentUsers, nil)
	if err != nil {
		panic(err) // the size is not positive
	}
	return &recentLookups{users: users}
}

// find adds to nodes what is remembered of the users, and returns the other users.
func (l *recentLookups) find(
	users map[domain.UserID]struct{}, nodes map[domain.UserID][]domain.NodeID, now time.Time,
) (unknown []domain.UserID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for user := range users {
		recent, ok := l.users.Get(user)
		switch {
		case !ok || now.Sub(recent.at) > recentAge:
			unknown = append(unknown, user)
		case len(recent.nodes) > 0:
			nodes[user] = recent.nodes
		}
	}
	return unknown
}

// add remembers the nodes of users, as of a time.
func (l *recentLookups) add(users []domain.UserID, nodes map[domain.UserID][]domain.NodeID, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, user := range users {
		l.users.Add(user, recentLookup{nodes[user], at})
	}
}

// allLocal reports whether all of the users are remembered to have no other node.
func (l *recentLookups) allLocal(users []domain.UserID, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, user := range users {
		recent, ok := l.users.Get(user)
		if !ok || len(recent.nodes) > 0 || now.Sub(recent.at) > recentAge {
			return false
		}
	}
	return true
}
