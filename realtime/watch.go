package realtime

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"im/domain"
	"im/internal/strictjson"
)

const (
	watchTick    = 500 * time.Millisecond // how often upheavals are looked for
	watchRenewal = time.Minute            // how often all who are watched are looked at
	watchUnrest  = 5 * time.Second        // after an upheaval, during which all are looked at every second
	watchChunk   = 2_000                  // glances of one look
)

type presenceFrame struct {
	Type string `json:"type"`
	domain.Presence
}

// watches is who follows whose presence on this node. It is a cache: what was
// told is compared with what a look shows, and told again when it differs.
type watches struct {
	wake chan struct{}

	mu sync.Mutex
	// viewers are the sessions that watch, by their users, each with whom it
	// watches and what it was told of them; nil is nothing yet.
	viewers map[domain.UserID]map[*session]map[domain.UserID]*domain.Presence
	watched map[domain.UserID]map[*session]struct{}
	// due are the pairs to look at next.
	due map[watch]struct{}
}

type watch struct {
	session *session
	user    domain.UserID
}

func newWatches() watches {
	return watches{
		wake:    make(chan struct{}, 1),
		viewers: make(map[domain.UserID]map[*session]map[domain.UserID]*domain.Presence),
		watched: make(map[domain.UserID]map[*session]struct{}),
		due:     make(map[watch]struct{}),
	}
}

func (x *watches) ring() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// set replaces whom a session watches. It is told of all of them anew.
func (x *watches) set(s *session, users []domain.UserID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.drop(s)
	if len(users) == 0 || s.out.over() {
		return
	}
	own := make(map[domain.UserID]*domain.Presence, len(users))
	for _, user := range users {
		own[user] = nil
		if x.watched[user] == nil {
			x.watched[user] = make(map[*session]struct{}, 1)
		}
		x.watched[user][s] = struct{}{}
		x.due[watch{s, user}] = struct{}{}
	}
	if x.viewers[s.user] == nil {
		x.viewers[s.user] = make(map[*session]map[domain.UserID]*domain.Presence, 1)
	}
	x.viewers[s.user][s] = own
	x.ring()
}

func (x *watches) remove(s *session) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.drop(s)
}

func (x *watches) drop(s *session) {
	for user := range x.viewers[s.user][s] {
		delete(x.due, watch{s, user})
		if delete(x.watched[user], s); len(x.watched[user]) == 0 {
			delete(x.watched, user)
		}
	}
	if delete(x.viewers[s.user], s); len(x.viewers[s.user]) == 0 {
		delete(x.viewers, s.user)
	}
}

// changed says that a user came or went.
func (x *watches) changed(user domain.UserID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for s := range x.watched[user] {
		x.due[watch{s, user}] = struct{}{}
		x.ring()
	}
}

// moved says that a user has entered or left a conversation: others may see
// them now, or no longer, and they others.
func (x *watches) moved(user domain.UserID) {
	x.changed(user)
	x.mu.Lock()
	defer x.mu.Unlock()
	for s, own := range x.viewers[user] {
		for other := range own {
			x.due[watch{s, other}] = struct{}{}
		}
		x.ring()
	}
}

// all makes everything due.
func (x *watches) all() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for user, sessions := range x.watched {
		for s := range sessions {
			x.due[watch{s, user}] = struct{}{}
		}
	}
}

// take returns some of what is due, gathered by what there is to look at.
func (x *watches) take() map[domain.PresenceQuery][]watch {
	x.mu.Lock()
	defer x.mu.Unlock()
	taken := make(map[domain.PresenceQuery][]watch)
	for w := range x.due {
		g := domain.PresenceQuery{Viewer: w.session.user, User: w.user}
		if _, there := taken[g]; !there && len(taken) == watchChunk {
			continue
		}
		taken[g] = append(taken[g], w)
		delete(x.due, w)
	}
	return taken
}

// putBack makes due what could not be looked at.
func (x *watches) putBack(list []watch) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, w := range list {
		if _, still := x.viewers[w.session.user][w.session][w.user]; still {
			x.due[w] = struct{}{}
		}
	}
}

// tell passes on what a look has shown, where it is news. What finds no room is
// due again.
func (x *watches) tell(list []watch, p domain.Presence) {
	x.mu.Lock()
	defer x.mu.Unlock()
	frame := jsonFrame(presenceFrame{"presence", p})
	for _, w := range list {
		own := x.viewers[w.session.user][w.session]
		before, still := own[w.user]
		switch {
		case !still || before != nil && samePresence(*before, p):
		case w.session.out.offerFleeting(frame):
			own[w.user] = &p
		default:
			x.due[w] = struct{}{}
		}
	}
}

func samePresence(a, b domain.Presence) bool {
	if (a.Online == nil) != (b.Online == nil) || (a.LastSeenAt == nil) != (b.LastSeenAt == nil) {
		return false
	}
	return (a.Online == nil || *a.Online == *b.Online) && (a.LastSeenAt == nil || a.LastSeenAt.Equal(b.LastSeenAt.Time))
}

// watchman looks at who is watched, one look after another, so that what was
// seen later is told later.
type watchman struct {
	watches  *watches
	presence *Presence
	logger   *slog.Logger
	timeout  time.Duration

	upheavals uint64
	unrest    time.Time // the end of it
	looked    time.Time // when all were made due
	failing   bool      // the last look
}

func (m *watchman) run(ctx context.Context) {
	ticker := time.NewTicker(watchTick)
	defer ticker.Stop()
	m.looked = time.Now()
	for {
		select {
		case <-m.watches.wake:
		case now := <-ticker.C:
			m.tick(now)
		case <-ctx.Done():
			return
		}
		for m.look(ctx) {
		}
	}
}

func (m *watchman) tick(now time.Time) {
	if n := m.presence.where.MassChanges(); n != m.upheavals {
		m.upheavals, m.unrest, m.looked = n, now.Add(watchUnrest), time.Time{}
	}
	pause := watchRenewal
	if now.Before(m.unrest) {
		pause = time.Second
	}
	if now.Sub(m.looked) >= pause {
		m.watches.all()
		m.looked = now
	}
}

// look looks once, and tells whether it was at as many as it may be.
func (m *watchman) look(ctx context.Context) (more bool) {
	taken := m.watches.take()
	if len(taken) == 0 {
		return false
	}
	glances := make([]domain.PresenceQuery, 0, len(taken))
	for g := range taken {
		glances = append(glances, g)
	}
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	answers, err := m.presence.look(ctx, glances)
	if err != nil {
		for _, list := range taken {
			m.watches.putBack(list)
		}
		if !m.failing {
			m.failing = true
			m.logger.Warn("presence not looked up", "count", len(glances), "error", err)
		}
		return false
	}
	m.failing = false
	for i, g := range glances {
		m.watches.tell(taken[g], answers[i])
	}
	return len(taken) == watchChunk
}

// watch takes a frame that is answered by presence frames.
func (k *socket) watch(o *strictjson.Object) error {
	names := o.Strings("user_ids")
	demand(o, "user_ids")
	if len(names) > k.g.o.Limits.WatchUsers {
		o.Reject("user_ids", "more than watch_users")
	}
	users := make([]domain.UserID, 0, len(names))
	for _, name := range names[:min(len(names), k.g.o.Limits.WatchUsers)] {
		user, err := domain.ParseUserID("/user_ids", name)
		if err != nil {
			o.Reject("user_ids", reasonOf(err))
		}
		users = append(users, user)
	}
	if err := complaint(o); err != nil {
		return err
	}
	if err := k.admits(domain.RateRead); err != nil {
		return err
	}
	k.g.o.Hub.watches.set(k.session, users)
	return nil
}
