package presence

import (
	"sync"

	"im/domain"
	"im/realtime/hub"
	"im/realtime/wire"
)

// Watches holds which sessions of this node watch which users, and what was last
// sent of each. A watch is
//
//	due      it is to be looked up       Refresher takes it              → taken
//	taken    a lookup is running         sent, unchanged                 → current
//	                                     the lookup or the queue failed  → due
//	current  the session knows it        a change is announced; or all
//	                                     watches are made due            → due
//
// All methods may be called concurrently; none blocks.
type Watches struct {
	wake chan struct{} // signals the Refresher that a watch is due

	mu      sync.Mutex
	viewers map[domain.UserID]map[*hub.Session]*viewing // the watching sessions by their users
	watched map[domain.UserID]map[*hub.Session]struct{}
	due     map[watch]struct{}
}

var _ hub.PresenceObserver = (*Watches)(nil)

// viewing is what a session watches.
type viewing struct {
	request string // the id of the watch request; "" for none
	// sent is the presence that was last sent of each user; nil if none was yet. The
	// first one answers the request.
	sent map[domain.UserID]*domain.Presence
}

// watch is a session that watches a user.
type watch struct {
	session *hub.Session
	user    domain.UserID
}

// NewWatches returns an empty Watches.
func NewWatches() *Watches {
	return &Watches{
		wake:    make(chan struct{}, 1),
		viewers: make(map[domain.UserID]map[*hub.Session]*viewing),
		watched: make(map[domain.UserID]map[*hub.Session]struct{}),
		due:     make(map[watch]struct{}),
	}
}

// Set replaces the users that a session watches. Their presence is sent to it
// once more, changed or not, as the answer to the request with an id; "" for none.
func (w *Watches) Set(s *hub.Session, request string, users []domain.UserID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remove(s)
	if len(users) == 0 || s.Queue.Closing() {
		return
	}
	sent := make(map[domain.UserID]*domain.Presence, len(users))
	for _, user := range users {
		sent[user] = nil
		if w.watched[user] == nil {
			w.watched[user] = make(map[*hub.Session]struct{}, 1)
		}
		w.watched[user][s] = struct{}{}
		w.due[watch{s, user}] = struct{}{}
	}
	if w.viewers[s.User] == nil {
		w.viewers[s.User] = make(map[*hub.Session]*viewing, 1)
	}
	w.viewers[s.User][s] = &viewing{request, sent}
	w.signal()
}

// Remove removes all watches of a session.
func (w *Watches) Remove(s *hub.Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remove(s)
}

func (w *Watches) remove(s *hub.Session) {
	for user := range w.sent(s) {
		delete(w.due, watch{s, user})
		if delete(w.watched[user], s); len(w.watched[user]) == 0 {
			delete(w.watched, user)
		}
	}
	if delete(w.viewers[s.User], s); len(w.viewers[s.User]) == 0 {
		delete(w.viewers, s.User)
	}
}

// sent returns what was last sent to a session, by the users that it watches.
func (w *Watches) sent(s *hub.Session) map[domain.UserID]*domain.Presence {
	if v := w.viewers[s.User][s]; v != nil {
		return v.sent
	}
	return nil
}

// Users returns the number of users that are watched.
func (w *Watches) Users() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.watched)
}

// PresenceChanged makes the watches of a user due: the user may have come online
// or gone offline.
func (w *Watches) PresenceChanged(user domain.UserID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.makeDue(user)
}

// MembershipChanged makes due the watches of a user and those by the user: after
// entering or leaving a conversation, different users may see each other.
func (w *Watches) MembershipChanged(user domain.UserID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.makeDue(user)
	for s, viewing := range w.viewers[user] {
		for other := range viewing.sent {
			w.due[watch{s, other}] = struct{}{}
		}
		w.signal()
	}
}

func (w *Watches) makeDue(user domain.UserID) {
	for s := range w.watched[user] {
		w.due[watch{s, user}] = struct{}{}
		w.signal()
	}
}

func (w *Watches) makeAllDue() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for user, sessions := range w.watched {
		for s := range sessions {
			w.due[watch{s, user}] = struct{}{}
		}
	}
}

// take removes due watches, of up to maxQueries queries, and returns them by the
// query that answers them.
func (w *Watches) take() map[domain.PresenceQuery][]watch {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := make(map[domain.PresenceQuery][]watch)
	for due := range w.due {
		q := domain.PresenceQuery{Viewer: due.session.User, User: due.user}
		if _, there := taken[q]; !there && len(taken) == maxQueries {
			continue
		}
		taken[q] = append(taken[q], due)
		delete(w.due, due)
	}
	return taken
}

// putBack makes watches due again after a failed lookup.
func (w *Watches) putBack(list []watch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, taken := range list {
		if _, still := w.sent(taken.session)[taken.user]; still {
			w.due[taken] = struct{}{}
		}
	}
}

// send sends a presence to the sessions for which it has changed. Those without
// room for it are due again.
func (w *Watches) send(list []watch, p domain.Presence) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change := wire.Presence("", p)
	for _, taken := range list {
		sent := w.sent(taken.session)
		last, still := sent[taken.user]
		frame := change
		if still && last == nil {
			if id := w.viewers[taken.session.User][taken.session].request; id != "" {
				frame = wire.Presence(id, p)
			}
		}
		switch {
		case !still || last != nil && samePresence(*last, p):
		case taken.session.Queue.TrySendDroppable(frame):
			sent[taken.user] = &p
		default:
			w.due[taken] = struct{}{}
		}
	}
}

func (w *Watches) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func samePresence(a, b domain.Presence) bool {
	if (a.Online == nil) != (b.Online == nil) || (a.LastSeenAt == nil) != (b.LastSeenAt == nil) {
		return false
	}
	return (a.Online == nil || *a.Online == *b.Online) && (a.LastSeenAt == nil || a.LastSeenAt.Equal(b.LastSeenAt.Time))
}
