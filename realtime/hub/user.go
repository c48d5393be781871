package hub

import (
	"context"
	"sync"

	"im/domain"
	"im/realtime/wire"
	"im/realtime/ws"
)

// user is one user with sessions on this node. It is gone, and never comes back,
// when its last session has left; the next session creates a new one.
type user struct {
	id domain.UserID
	// listing is a lock with a context: its element is held by the session that
	// reads the user's conversations.
	listing chan struct{}

	mu       sync.Mutex
	sessions []*Session // few, and mostly one
	gone     bool
	// listed: the conversations have been read and entered into the index.
	listed        bool
	conversations map[domain.ConversationID]struct{} // nil while empty
	// changes are the latest changes of membership that came before listed.
	changes map[domain.ConversationID]change
}

// change is a change of membership: the user was added or removed with an event.
type change struct {
	seq   int64
	added bool
}

// lockListing waits until no other session reads the user's conversations.
func (u *user) lockListing(ctx context.Context) (unlock func(), err error) {
	select {
	case u.listing <- struct{}{}:
		return func() { <-u.listing }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// noteChange records a change of membership if the user's conversations are still
// being read, and reports whether they are.
func (u *user) noteChange(id domain.ConversationID, c change) (listing bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.listed {
		return false
	}
	if u.changes == nil {
		u.changes = make(map[domain.ConversationID]change)
	}
	if c.seq > u.changes[id].seq {
		u.changes[id] = c
	}
	return true
}

// addListed records that the user is in a conversation of the list. It reports
// false if the user is gone, or if a change after the list was read overrides it.
func (u *user) addListed(m domain.Membership) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if c, ok := u.changes[m.ConversationID]; u.gone || ok && c.seq > m.HeadSeq {
		return false
	}
	u.add(m.ConversationID)
	return true
}

// add records that the user is in a conversation. It requires u.mu.
func (u *user) add(id domain.ConversationID) {
	if u.conversations == nil {
		u.conversations = make(map[domain.ConversationID]struct{})
	}
	u.conversations[id] = struct{}{}
}

// setListed ends the reading of the list, and returns the changes that came in
// the course of it.
func (u *user) setListed() map[domain.ConversationID]change {
	u.mu.Lock()
	defer u.mu.Unlock()
	changes := u.changes
	u.listed, u.changes = true, nil
	return changes
}

func (u *user) isListed() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.listed
}

func (u *user) isOnline(except *Session) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, s := range u.sessions {
		if s != except && s.live && !s.background.Load() && !s.Queue.Closing() {
			return true
		}
	}
	return false
}

// goLive queues the session's welcome; it receives pushes from the next event on.
// It reports false if the user is gone.
func (u *user) goLive(s *Session, welcome wire.Frame) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gone {
		return false
	}
	s.Queue.Send(welcome)
	s.live = true
	return true
}

func (u *user) sendEvent(id domain.ConversationID, seq int64, f wire.Frame) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, s := range u.sessions {
		if s.live {
			s.Queue.SendEvent(id, seq, f)
		}
	}
}

func (u *user) signal(f wire.Frame, except domain.SessionID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, s := range u.sessions {
		if s.live && s.ID != except {
			s.Queue.TrySend(f)
		}
	}
}

func (u *user) signalDroppable(f wire.Frame) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, s := range u.sessions {
		if s.live {
			s.Queue.TrySendDroppable(f)
		}
	}
}

// joinFrames are the frames for a user who was added to a conversation: the
// conversation, and the events from the joining to the head. A gap stands for
// events that are not among them.
type joinFrames struct {
	id           domain.ConversationID
	conversation wire.Frame
	first, head  int64
	events       []wire.Frame // with the seqs first, first+1 …
}

// join sends the frames to the live sessions and records the user as a member. It
// reports false if the user is gone.
func (u *user) join(n joinFrames) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gone {
		return false
	}
	u.add(n.id)
	for _, s := range u.sessions {
		if s.live {
			n.send(s.Queue)
		}
	}
	return true
}

func (n joinFrames) send(q *ws.SendQueue) {
	if !q.TrySend(n.conversation) {
		q.SkipTo(n.id, n.head)
		return
	}
	for i, f := range n.events {
		q.SendEvent(n.id, n.first+int64(i), f)
	}
	if n.first+int64(len(n.events)) <= n.head {
		q.SkipTo(n.id, n.head)
	}
}

func (u *user) remove(id domain.ConversationID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.conversations, id)
}

func (u *user) end(end domain.EndSessions) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, s := range u.sessions {
		if s.ID == end.Session || end.Session == "" && s.number < end.Below {
			s.Queue.Close(wire.CloseCode(end.Code))
		}
	}
}
