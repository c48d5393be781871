package registry

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"im/domain"
)

const liveTimeout = 2 * time.Second

// SessionsOf lists the live sessions of a user in the whole cluster, the oldest first.
// Sessions of nodes without a lease do not count. It fails with domain.ErrUnavailable
// while Redis is unreachable.
func (r *Registry) SessionsOf(ctx context.Context, user domain.UserID) ([]domain.LiveSession, error) {
	each, err := r.SessionsOfEach(ctx, []domain.UserID{user})
	if err != nil {
		return nil, err
	}
	return append([]domain.LiveSession{}, each[user]...), nil
}

// SessionsOfEach is SessionsOf for several users, in two round trips. Users without a
// session have no entry in the map, which is not nil unless there is an error.
func (r *Registry) SessionsOfEach(ctx context.Context, users []domain.UserID) (map[domain.UserID][]domain.LiveSession, error) {
	each := make(map[domain.UserID][]domain.LiveSession, len(users))
	if len(users) == 0 {
		return each, nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.atLeast(liveTimeout))
	defer cancel()
	entries, err := r.entriesOf(ctx, users)
	if err != nil {
		return nil, unavailable(err)
	}
	nodes := map[domain.NodeID]bool{}
	for i, user := range users {
		for session, value := range entries[i].Val() {
			if s, ok := liveSession(domain.SessionID(session), value); ok {
				each[user] = append(each[user], s)
				nodes[s.NodeID] = false
			}
		}
	}
	if err := r.readLeases(ctx, nodes); err != nil {
		return nil, unavailable(err)
	}
	for user, list := range each {
		list = slices.DeleteFunc(list, func(s domain.LiveSession) bool { return !nodes[s.NodeID] })
		slices.SortFunc(list, func(a, b domain.LiveSession) int {
			return cmp.Or(a.ConnectedAt.Compare(b.ConnectedAt.Time), cmp.Compare(a.SessionID, b.SessionID))
		})
		if each[user] = list; len(list) == 0 {
			delete(each, user)
		}
	}
	return each, nil
}

// liveSession reads the entry of a session.
func liveSession(session domain.SessionID, value string) (domain.LiveSession, bool) {
	e, _ := parseEntry(value)
	return domain.LiveSession{
		SessionID: session, NodeID: e.node, DeviceID: e.device, Background: e.background, ConnectedAt: e.connected,
	}, e.complete
}

// readLeases sets the nodes that have a lease to true.
func (r *Registry) readLeases(ctx context.Context, nodes map[domain.NodeID]bool) error {
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
