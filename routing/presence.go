package routing

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"im/domain"
)

const (
	onlineChunk = 500 // users a pipeline
	// doubtful is how long after Redis came back empty, or this node to it, what
	// it does not know proves nothing: all nodes register their sessions again.
	doubtful = 3 * time.Second
)

// errDoubtful is the answer while the map is being drawn again.
var errDoubtful = errors.New("routing: sessions are being registered again")

// Online tells which of the users have a session on a living node that is not
// in the background. While that cannot be known it is domain.ErrUnavailable.
func (n *Node) Online(ctx context.Context, users []domain.UserID) (map[domain.UserID]bool, error) {
	return n.registry.online(ctx, users)
}

// Upheavals counts what may have changed the presence of many users at once,
// and is announced by nobody: a node has died, Redis went or came back. Who
// keeps answers of Online asks again when it has changed, and for some seconds
// from then on.
func (n *Node) Upheavals() uint64 { return n.registry.upheavals.Load() }

// Reregister makes a change of the entry of a registered session known at once,
// or when Redis is back.
func (n *Node) Reregister(ctx context.Context, e domain.SessionEntry) {
	r := n.registry
	if err := r.register(ctx, e, r.single.Load()); err != nil {
		return // the session is being replaced; its end is on the way
	}
	if r.busy.Load() {
		r.again.Store(true) // what registerAll writes may be older
	}
}

func (r *registry) online(ctx context.Context, users []domain.UserID) (map[domain.UserID]bool, error) {
	switch {
	case r.failing.Load() || !r.ready.Load(): // until a whole turn shows what is left of the map
		return nil, domain.ErrUnavailable.WithCause(errResting)
	case time.Now().UnixMilli() < r.doubt.Load():
		return nil, domain.ErrUnavailable.WithCause(errDoubtful)
	}
	online := make(map[domain.UserID]bool)
	for len(users) > 0 {
		some := users[:min(len(users), onlineChunk)]
		users = users[len(some):]
		if err := r.onlineSome(ctx, some, online); err != nil {
			return nil, domain.ErrUnavailable.WithCause(err)
		}
	}
	return online, nil
}

func (r *registry) onlineSome(ctx context.Context, users []domain.UserID, online map[domain.UserID]bool) error {
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	pipe := r.redis.Pipeline()
	answers := make([]*redis.MapStringStringCmd, len(users))
	for i, user := range users {
		answers[i] = pipe.HGetAll(limited, r.userKey(user))
	}
	if _, err := pipe.Exec(limited); err != nil {
		if ctx.Err() == nil {
			r.failed("looking up presence", err)
		}
		return err
	}
	for i, user := range users {
		for _, value := range answers[i].Val() {
			fields := strings.Fields(value) // node device number epoch background connected
			if len(fields) >= 5 && fields[4] == "0" && !r.lookups.view.isDead(domain.NodeID(fields[0])) {
				online[user] = true
			}
		}
	}
	return nil
}

// settled notes how a turn of the registry ended.
func (r *registry) settled(err error) {
	ready := err == nil
	was, failed := r.ready.Swap(ready), r.failing.Swap(!ready)
	if was != ready || failed == ready {
		r.upheavals.Add(1)
	}
}

// doubts notes that Redis may have lost what it knew.
func (r *registry) doubts() {
	r.doubt.Store(time.Now().Add(r.atLeast(doubtful)).UnixMilli())
	r.upheavals.Add(1)
}
