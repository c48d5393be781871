package realtime

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"im/domain"
)

const (
	sightingPause   = 50 * time.Millisecond // between writings, so that they gather
	sightingTimeout = time.Second           // of a writing that others wait for
	sightingRenewal = 5 * time.Minute       // how often those who are online are noted as seen
	maxSightings    = 100_000               // that wait to be written; what is beyond is given up
)

// sightings gathers who came and went, until it is written when they were seen
// and announced that somebody should look.
type sightings struct {
	presence  *Presence
	signaller Signaller
	logger    *slog.Logger
	wake      chan struct{}

	mu      sync.Mutex
	seen    map[domain.UserID]domain.Time
	changed map[domain.UserID]struct{}
}

func newSightings(o GatewayOptions) *sightings {
	return &sightings{
		presence: o.Presence, signaller: o.Signaller, logger: o.Logger, wake: make(chan struct{}, 1),
		seen: make(map[domain.UserID]domain.Time), changed: make(map[domain.UserID]struct{}),
	}
}

// note says that a user is, or was until now, online here, and whether that has
// just changed.
func (x *sightings) note(user domain.UserID, changed bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, there := x.seen[user]; there || len(x.seen) < maxSightings {
		x.seen[user] = domain.TimeOf(time.Now())
	}
	if !changed {
		return
	}
	x.changed[user] = struct{}{} // as many as sockets come and go in a pause
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

func (x *sightings) take() (seen map[domain.UserID]domain.Time, changed map[domain.UserID]struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	seen, changed = x.seen, x.changed
	x.seen, x.changed = make(map[domain.UserID]domain.Time), make(map[domain.UserID]struct{})
	return seen, changed
}

// flush writes first and announces then, so that who looks finds when the user
// was seen. What cannot be written waits; the announcement does not.
func (x *sightings) flush(ctx context.Context) {
	seen, changed := x.take()
	if len(seen) > 0 {
		list := make([]domain.LastSeen, 0, len(seen))
		for user, at := range seen {
			list = append(list, domain.LastSeen{User: user, At: at})
		}
		writing, cancel := context.WithTimeout(ctx, sightingTimeout)
		err := x.presence.known.Sight(writing, list)
		cancel()
		if err != nil {
			x.logger.Warn("not written who was seen", "count", len(list), "error", err)
			x.putBack(seen)
		}
	}
	for user := range changed {
		x.signaller.Signal(domain.PresenceChanged{User: user})
	}
}

func (x *sightings) putBack(seen map[domain.UserID]domain.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for user, at := range seen {
		if _, newer := x.seen[user]; !newer && len(x.seen) < maxSightings {
			x.seen[user] = at
		}
	}
}

// run writes and announces until ctx ends, and what is left then.
func (x *sightings) run(ctx context.Context, online func() []domain.UserID) {
	renew := time.NewTicker(sightingRenewal)
	retry := time.NewTicker(time.Second)
	defer renew.Stop()
	defer retry.Stop()
	for {
		select {
		case <-x.wake:
			select {
			case <-time.After(sightingPause):
			case <-ctx.Done():
			}
		case <-retry.C:
		case <-renew.C:
			for _, user := range online() {
				x.note(user, false)
			}
		case <-ctx.Done():
			x.flush(context.WithoutCancel(ctx))
			return
		}
		if ctx.Err() == nil {
			x.flush(ctx)
		}
	}
}

// cameOrWent notes what a session changed, unless another one of its user is
// here all the same.
func (g *Gateway) cameOrWent(s *session) {
	g.sightings.note(s.user, !g.o.Hub.foreground(s.user, s))
}

// setBackground makes it known at once whether a session counts as online.
func (k *socket) setBackground(ctx context.Context, background bool) {
	if k.session.background.Swap(background) == background {
		return
	}
	k.g.o.Presence.where.Reregister(ctx, k.session.entry())
	k.g.cameOrWent(k.session)
}

// foreground tells whether a user has a session here, apart from one, that
// counts as online.
func (h *Hub) foreground(user domain.UserID, apart *session) bool {
	u := h.users.get(user)
	if u == nil {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, s := range u.sessions {
		if s != apart && s.live && !s.background.Load() && !s.out.over() {
			return true
		}
	}
	return false
}

// online lists the users who have a session here that counts as online.
func (h *Hub) online() []domain.UserID {
	var users []domain.UserID
	for _, e := range h.Sessions() {
		if !e.Background {
			users = append(users, e.User)
		}
	}
	return users
}
