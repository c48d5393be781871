package hub

import (
	"maps"
	"slices"
	"sync"

	"im/domain"
	"im/realtime/wire"
)

// users is the index of the users who have sessions.
type users struct {
	mu   sync.RWMutex
	byID map[domain.UserID]*user
}

func newUsers() users { return users{byID: make(map[domain.UserID]*user)} }

func (x *users) get(id domain.UserID) *user {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.byID[id]
}

// add indexes a session under its user, and closes the sessions that it replaces:
// older ones of its device or, with single, of its user. It fails with
// ErrConflict if one of those is newer, and with ErrLimitExceeded if the user has
// limit other sessions.
func (x *users) add(s *Session, limit int, single bool) (*user, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	u := x.byID[s.User]
	if u == nil {
		u = &user{id: s.User, listing: make(chan struct{}, 1)}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	var replaced []*Session
	others := 0
	for _, other := range u.sessions {
		switch {
		case other.Queue.Closing():
		case !single && other.Device != s.Device:
			others++
		case other.number > s.number:
			return nil, domain.ErrConflict
		default:
			replaced = append(replaced, other)
		}
	}
	if others >= limit {
		return nil, domain.ErrLimitExceeded
	}
	for _, other := range replaced {
		other.Queue.Close(wire.CloseReplaced)
	}
	u.sessions = append(u.sessions, s)
	s.user = u
	x.byID[s.User] = u
	return u, nil
}

// remove removes a session. If it was the user's last, the user is gone, and the
// conversations to remove the user from are returned.
func (x *users) remove(s *Session) []domain.ConversationID {
	u := s.user
	x.mu.Lock()
	defer x.mu.Unlock()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sessions = slices.DeleteFunc(u.sessions, func(other *Session) bool { return other == s })
	if len(u.sessions) > 0 || u.gone {
		return nil
	}
	u.gone = true
	delete(x.byID, u.id)
	return slices.Collect(maps.Keys(u.conversations))
}

// clear removes all users, and returns their sessions.
func (x *users) clear() []*Session {
	x.mu.Lock()
	defer x.mu.Unlock()
	var all []*Session
	for _, u := range x.byID {
		u.mu.Lock()
		u.gone = true
		all = append(all, u.sessions...)
		u.mu.Unlock()
	}
	clear(x.byID)
	return all
}

// signal sends a frame to all live sessions.
func (x *users) signal(f wire.Frame) {
	x.mu.RLock()
	all := slices.Collect(maps.Values(x.byID))
	x.mu.RUnlock()
	for _, u := range all {
		u.signal(f, "")
	}
}

func (x *users) entries() []domain.SessionEntry {
	x.mu.RLock()
	defer x.mu.RUnlock()
	all := make([]domain.SessionEntry, 0, len(x.byID))
	for _, u := range x.byID {
		u.mu.Lock()
		for _, s := range u.sessions {
			all = append(all, s.Entry())
		}
		u.mu.Unlock()
	}
	return all
}

func (x *users) empty() bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.byID) == 0
}
