package registry

import (
	"sync"
	"time"

	"im/domain"
)

// deadMemory is how long a dead node is remembered. It is longer than userTTL, so that
// no entry outlives the memory of its node.
const deadMemory = 15 * time.Minute

// liveness is which nodes lived at the last refresh. A node that is not known to be
// dead counts as living: a message to a dead node is lost without harm.
//
//	node     seen by                              becomes
//	unknown  isDead (then asked for)              alive or dead, at the next refresh
//	alive    a lease                              dead, when a refresh finds no lease
//	dead     a refresh without a lease            alive, with a lease; unknown, after deadMemory
type liveness struct {
	mu    sync.Mutex
	alive map[domain.NodeID]struct{}
	dead  map[domain.NodeID]time.Time // when it was found to be dead
	asked map[domain.NodeID]struct{}  // unknown nodes that isDead was called for
}

func newLiveness() *liveness {
	return &liveness{
		alive: make(map[domain.NodeID]struct{}),
		dead:  make(map[domain.NodeID]time.Time),
		asked: make(map[domain.NodeID]struct{}),
	}
}

// candidates returns the nodes whose leases a refresh reads: the known ones, those
// that were asked for, and this one.
func (l *liveness) candidates(known []string, own domain.NodeID) []domain.NodeID {
	l.mu.Lock()
	defer l.mu.Unlock()
	set := make(map[domain.NodeID]struct{}, len(known)+len(l.asked)+1)
	set[own] = struct{}{}
	for _, node := range known {
		set[domain.NodeID(node)] = struct{}{}
	}
	for node := range l.asked {
		set[node] = struct{}{}
	}
	list := make([]domain.NodeID, 0, len(set))
	for node := range set {
		list = append(list, node)
	}
	return list
}

// update takes in which of the candidates have a lease. It returns the nodes that have
// been dead for deadMemory, which Redis may forget, and reports whether a node has
// died since the last update.
func (l *liveness) update(leased map[domain.NodeID]bool, now time.Time) (forgotten []any, died bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.asked)
	clear(l.alive)
	for node, alive := range leased {
		if alive {
			l.alive[node] = struct{}{}
			delete(l.dead, node)
		} else if _, known := l.dead[node]; !known {
			l.dead[node] = now
			died = true
		}
	}
	for node, since := range l.dead {
		if now.Sub(since) >= deadMemory {
			delete(l.dead, node)
			forgotten = append(forgotten, string(node))
		}
	}
	return forgotten, died
}

// isDead reports whether the last refresh found the node dead.
func (l *liveness) isDead(node domain.NodeID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, dead := l.dead[node]; dead {
		return true
	}
	if _, alive := l.alive[node]; !alive {
		l.asked[node] = struct{}{}
	}
	return false
}
