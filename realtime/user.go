package realtime

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"im/domain"
)

// session is one socket that has said hello, as the hub sees it.
type session struct {
	id         domain.SessionID
	user       domain.UserID
	device     domain.DeviceID
	background atomic.Bool
	connected  domain.Time
	out        *outbox

	// Set while the session is let in:
	number int64
	epoch  string
	home   *user

	live bool // gets pushes; home.mu guards it
}

func (s *session) entry() domain.SessionEntry {
	return domain.SessionEntry{
		Session: s.id, User: s.user, Device: s.device, Number: s.number, Epoch: s.epoch,
		Background: s.background.Load(), Connected: s.connected,
	}
}

// user is one user with sessions on this node. A user whose last session has
// left is gone for good; the next session makes a new one.
type user struct {
	id domain.UserID
	// turn is held by the session that is being let in.
	turn chan struct{}

	mu       sync.Mutex
	sessions []*session // few, and mostly one
	gone     bool
	// joined: the conversations have been read and entered into the index.
	joined        bool
	conversations map[domain.ConversationID]struct{} // nil while there is none
	// news are the latest changes of membership that came before joined.
	news map[domain.ConversationID]news
}

type news struct {
	seq    int64
	enters bool
}

// take waits for the turn to let a session in.
func (u *user) take(ctx context.Context) (release func(), err error) {
	select {
	case u.turn <- struct{}{}:
		return func() { <-u.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// note remembers a change of membership if the user's list of conversations is
// being read, and tells whether it is.
func (u *user) note(id domain.ConversationID, seq int64, enters bool) (joining bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.joined {
		return false
	}
	if u.news == nil {
		u.news = make(map[domain.ConversationID]news)
	}
	if seq > u.news[id].seq {
		u.news[id] = news{seq, enters}
	}
	return true
}

// admit notes that the user is in a conversation, unless the user is gone or
// something happened after the list was read that says otherwise.
func (u *user) admit(m domain.Membership) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if n, ok := u.news[m.ConversationID]; u.gone || ok && n.seq > m.HeadSeq {
		return false
	}
	u.belong(m.ConversationID)
	return true
}

// belong notes that the user is in a conversation; u.mu is held.
func (u *user) belong(id domain.ConversationID) {
	if u.conversations == nil {
		u.conversations = make(map[domain.ConversationID]struct{})
	}
	u.conversations[id] = struct{}{}
}

// settled ends the reading of the list, and returns what came meanwhile.
func (u *user) settled() map[domain.ConversationID]news {
	u.mu.Lock()
	defer u.mu.Unlock()
	latest := u.news
	u.joined, u.news = true, nil
	return latest
}

func (u *user) isJoined() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.joined
}

// golive queues the session's welcome; from the next event on it gets pushes.
func (u *user) golive(s *session, welcome wire) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gone {
		return false
	}
	s.out.answer(welcome)
	s.live = true
	return true
}

func (u *user) event(id domain.ConversationID, seq int64, w wire) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, s := range u.sessions {
		if s.live {
			s.out.event(id, seq, w)
		}
	}
}

func (u *user) signal(w wire, except domain.SessionID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, s := range u.sessions {
		if s.live && s.id != except {
			s.out.offer(w)
		}
	}
}

// introduction is what a user is told who was added to a conversation: it, and
// the events from the joining to the head. Those that are not at hand are left
// to a gap.
type introduction struct {
	id           domain.ConversationID
	conversation wire
	first, head  int64
	events       []wire // of first, first+1 …
}

// introduce tells the live sessions of a conversation and makes the user a
// member of it; false if the user is gone.
func (u *user) introduce(in introduction) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gone {
		return false
	}
	u.belong(in.id)
	for _, s := range u.sessions {
		if s.live {
			in.tell(s.out)
		}
	}
	return true
}

func (in introduction) tell(out *outbox) {
	if !out.offer(in.conversation) {
		out.skip(in.id, in.head)
		return
	}
	for i, w := range in.events {
		out.event(in.id, in.first+int64(i), w)
	}
	if in.first+int64(len(in.events)) <= in.head {
		out.skip(in.id, in.head)
	}
}

func (u *user) forget(id domain.ConversationID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.conversations, id)
}

func (u *user) end(end domain.EndSessions) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, s := range u.sessions {
		if s.id == end.Session || end.Session == "" && s.number < end.Below {
			s.out.end(closeCode(end.Code))
		}
	}
}

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

// add indexes a session under its user, and ends those that it replaces: older
// ones of its device or, with single, of its user. It fails with ErrConflict if
// there is a newer one, and with ErrLimitExceeded beyond limit.
func (x *users) add(s *session, limit int, single bool) (*user, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	u := x.byID[s.user]
	if u == nil {
		u = &user{id: s.user, turn: make(chan struct{}, 1)}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	var replaced []*session
	others := 0
	for _, other := range u.sessions {
		switch {
		case other.out.over():
		case !single && other.device != s.device:
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
		other.out.end(closeReplaced)
	}
	u.sessions = append(u.sessions, s)
	s.home = u
	x.byID[s.user] = u
	return u, nil
}

// remove takes a session out. If it was the user's last, the user is gone, and
// the conversations to take the user out of are returned.
func (x *users) remove(s *session) []domain.ConversationID {
	u := s.home
	x.mu.Lock()
	defer x.mu.Unlock()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sessions = slices.DeleteFunc(u.sessions, func(other *session) bool { return other == s })
	if len(u.sessions) > 0 || u.gone {
		return nil
	}
	u.gone = true
	delete(x.byID, u.id)
	left := make([]domain.ConversationID, 0, len(u.conversations))
	for id := range u.conversations {
		left = append(left, id)
	}
	return left
}

// clear makes everybody gone and returns the sessions there were.
func (x *users) clear() []*session {
	x.mu.Lock()
	defer x.mu.Unlock()
	var all []*session
	for _, u := range x.byID {
		u.mu.Lock()
		u.gone = true
		all = append(all, u.sessions...)
		u.mu.Unlock()
	}
	clear(x.byID)
	return all
}

// signal passes a frame to all live sessions.
func (x *users) signal(w wire) {
	x.mu.RLock()
	all := slices.Collect(maps.Values(x.byID))
	x.mu.RUnlock()
	for _, u := range all {
		u.signal(w, "")
	}
}

func (x *users) entries() []domain.SessionEntry {
	x.mu.RLock()
	defer x.mu.RUnlock()
	all := make([]domain.SessionEntry, 0, len(x.byID))
	for _, u := range x.byID {
		u.mu.Lock()
		for _, s := range u.sessions {
			all = append(all, s.entry())
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
