package routing

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"im/domain"
)

const censusTimeout = 2 * time.Second

// SessionsOf lists the live sessions of a user in the whole cluster, the oldest
// first. Those of nodes whose lease has ended do not count. It fails with
// domain.ErrUnavailable while Redis is away.
func (n *Node) SessionsOf(ctx context.Context, user domain.UserID) ([]domain.LiveSession, error) {
	ctx, cancel := context.WithTimeout(ctx, censusTimeout)
	defer cancel()
	r := n.registry
	entries, err := r.redis.HGetAll(ctx, r.userKey(user)).Result()
	if err != nil {
		return nil, domain.ErrUnavailable.Because(err)
	}
	list := []domain.LiveSession{}
	nodes := map[domain.NodeID]bool{}
	for session, value := range entries {
		if s, ok := liveSession(domain.SessionID(session), value); ok {
			list = append(list, s)
			nodes[s.NodeID] = false
		}
	}
	if err := r.leased(ctx, nodes); err != nil {
		return nil, domain.ErrUnavailable.Because(err)
	}
	list = slices.DeleteFunc(list, func(s domain.LiveSession) bool { return !nodes[s.NodeID] })
	slices.SortFunc(list, func(a, b domain.LiveSession) int {
		return cmp.Or(a.ConnectedAt.Compare(b.ConnectedAt.Time), cmp.Compare(a.SessionID, b.SessionID))
	})
	return list, nil
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
		Background: fields[4] == "1", ConnectedAt: domain.At(time.UnixMilli(connected)),
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
