package routing

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"im/domain"
)

const (
	remembered    = 250 * time.Millisecond
	maxRemembered = 50_000 // users
	breakerPause  = 500 * time.Millisecond
	deadMemory    = 15 * time.Minute // longer than the TTL of a user's entries
)

// errResting is the answer of a lookup while Redis is left alone.
var errResting = errors.New("routing: redis did not answer a moment ago")

// lookups finds the nodes where users have sessions.
type lookups struct {
	registry *registry
	breaker  breaker
	view     view

	mu      sync.Mutex
	now     map[domain.UserID]found // younger than remembered
	before  map[domain.UserID]found // the ones before
	rotated time.Time
}

type found struct {
	nodes []domain.NodeID
	at    time.Time
}

func newLookups(r *registry) *lookups {
	return &lookups{registry: r, now: make(map[domain.UserID]found), view: view{
		alive: make(map[domain.NodeID]struct{}),
		dead:  make(map[domain.NodeID]time.Time),
		asked: make(map[domain.NodeID]struct{}),
	}}
}

// nodes returns, for each user that has sessions on other nodes, those nodes,
// as they were a quarter of a second ago at most: who came since then gets what
// was committed by the tail. It takes one round trip at most. An error: nobody
// knows, so tell everybody.
func (l *lookups) nodes(ctx context.Context, users map[domain.UserID]struct{}) (map[domain.UserID][]domain.NodeID, error) {
	places := make(map[domain.UserID][]domain.NodeID, len(users))
	unknown := l.recall(users, places)
	return places, l.ask(ctx, unknown, places)
}

// nodesNow is nodes without memory, for what no tail would bring.
func (l *lookups) nodesNow(ctx context.Context, users map[domain.UserID]struct{}) (map[domain.UserID][]domain.NodeID, error) {
	places := make(map[domain.UserID][]domain.NodeID, len(users))
	return places, l.ask(ctx, slices.Collect(maps.Keys(users)), places)
}

// ask fills places with what Redis knows of the users.
func (l *lookups) ask(ctx context.Context, unknown []domain.UserID, places map[domain.UserID][]domain.NodeID) error {
	if len(unknown) == 0 {
		return nil
	}
	if l.breaker.open() {
		return errResting
	}
	asked := time.Now()
	limited, cancel := context.WithTimeout(ctx, l.registry.timeout)
	defer cancel()
	pipe := l.registry.redis.Pipeline()
	answers := make([]*redis.MapStringStringCmd, len(unknown))
	for i, user := range unknown {
		answers[i] = pipe.HGetAll(limited, l.registry.userKey(user))
	}
	if _, err := pipe.Exec(limited); err != nil {
		if ctx.Err() == nil {
			l.registry.failed("looking up users", err)
		}
		return err
	}
	l.registry.count.lookups.Add(uint64(len(unknown)))
	own := l.registry.nodeID()
	for i, user := range unknown {
		if nodes := l.places(user, own, answers[i].Val()); len(nodes) > 0 {
			places[user] = nodes
		}
	}
	l.remember(unknown, places, asked)
	return nil
}

// places reads a user's hash. Entries of dead nodes do not count, and are swept.
func (l *lookups) places(user domain.UserID, own domain.NodeID, entries map[string]string) []domain.NodeID {
	var nodes []domain.NodeID
	for session, value := range entries {
		name, _, _ := strings.Cut(value, " ")
		node := domain.NodeID(name)
		switch {
		case node == "" || node == own || slices.Contains(nodes, node):
		case l.view.isDead(node):
			l.registry.toRemove(domain.SessionID(session), removal{user: user, of: node})
		default:
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// recall fills places with what is remembered and returns the other users.
func (l *lookups) recall(users map[domain.UserID]struct{}, places map[domain.UserID][]domain.NodeID) (unknown []domain.UserID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := time.Now().Add(-remembered)
	for user := range users {
		f, ok := l.now[user]
		if !ok {
			f, ok = l.before[user]
		}
		switch {
		case !ok || f.at.Before(oldest):
			unknown = append(unknown, user)
		case len(f.nodes) > 0:
			places[user] = f.nodes
		}
	}
	return unknown
}

func (l *lookups) remember(users []domain.UserID, places map[domain.UserID][]domain.NodeID, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.now) >= maxRemembered || at.Sub(l.rotated) >= remembered {
		l.before, l.now, l.rotated = l.now, make(map[domain.UserID]found), at
	}
	for _, user := range users[:min(len(users), maxRemembered)] {
		l.now[user] = found{places[user], at}
	}
}

// breaker keeps calls off a Redis that does not answer: for breakerPause after
// each failure, or until the registry's own turn finds it back.
type breaker struct {
	until atomic.Int64 // Unix ms
}

func (b *breaker) open() bool { return time.Now().UnixMilli() < b.until.Load() }
func (b *breaker) trip()      { b.until.Store(time.Now().Add(breakerPause).UnixMilli()) }
func (b *breaker) close()     { b.until.Store(0) }

// view is which nodes live, as of the last second. A node that is not known to
// be dead counts as living: what is sent to it in vain is lost harmlessly.
type view struct {
	mu    sync.Mutex
	alive map[domain.NodeID]struct{}
	dead  map[domain.NodeID]time.Time // since when it was found so
	asked map[domain.NodeID]struct{}  // met in a lookup and not known
}

// candidates returns the nodes whose leases are to be looked at.
func (v *view) candidates(known []string, own domain.NodeID) []domain.NodeID {
	v.mu.Lock()
	defer v.mu.Unlock()
	set := make(map[domain.NodeID]struct{}, len(known)+len(v.asked)+1)
	set[own] = struct{}{}
	for _, node := range known {
		set[domain.NodeID(node)] = struct{}{}
	}
	for node := range v.asked {
		set[node] = struct{}{}
	}
	list := make([]domain.NodeID, 0, len(set))
	for node := range set {
		list = append(list, node)
	}
	return list
}

// update takes in which of the candidates live, and returns those that have
// been dead for so long that nobody needs to know of them, and whether one has
// died since the last time.
func (v *view) update(alive map[domain.NodeID]bool, now time.Time) (forgotten []any, died bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.asked)
	clear(v.alive)
	for node, living := range alive {
		if living {
			v.alive[node] = struct{}{}
			delete(v.dead, node)
		} else if _, known := v.dead[node]; !known {
			v.dead[node] = now
			died = true
		}
	}
	for node, since := range v.dead {
		if now.Sub(since) >= deadMemory {
			delete(v.dead, node)
			forgotten = append(forgotten, string(node))
		}
	}
	return forgotten, died
}

func (v *view) isDead(node domain.NodeID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, dead := v.dead[node]; dead {
		return true
	}
	if _, alive := v.alive[node]; !alive {
		v.asked[node] = struct{}{}
	}
	return false
}
