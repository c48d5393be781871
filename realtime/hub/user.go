package hub

import (
	"context"
	"slices"
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
	// left are the latest removals that the sessions know, the oldest first: events may
	// come again.
	left []removal
	// changes are the latest changes of membership that came before listed.
	changes map[domain.ConversationID]change
}

// removal is the seq of the event that removed a user from a conversation.
type removal struct {
	id  domain.ConversationID
	seq int64
}

// maxLeft bounds what is kept of a user who leaves many conversations. Events come again
// within moments, if at all.
const maxLeft = 64

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

func (u *user) sendEvent(id domain.ConversationID, seq int64, f wire.Frame, from *ws.Origin) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, s := range u.sessions {
		if s.live {
			s.Queue.PushEvent(id, seq, f, from)
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

// remove records that the user is no longer in a conversation, and that the sessions
// know it.
func (u *user) remove(id domain.ConversationID, seq int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.conversations, id)
	u.leave(id, seq)
}

// leave records a removal, and reports whether it is news. It requires u.mu.
func (u *user) leave(id domain.ConversationID, seq int64) bool {
	for i := range u.left {
		if known := &u.left[i]; known.id == id {
			if seq <= known.seq {
				return false
			}
			known.seq = seq
			return true
		}
	}
	if len(u.left) == maxLeft {
		u.left = slices.Delete(u.left, 0, 1)
	}
	u.left = append(u.left, removal{id, seq})
	return true
}

// tellRemoved sends the sessions an event that removes the user from a conversation of
// which they have received nothing since the joining. A gap stands for what was between.
func (u *user) tellRemoved(ev *domain.Event) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.leave(ev.ConversationID, ev.Seq) {
		return
	}
	gap, removed := wire.Gap(map[domain.ConversationID]int64{ev.ConversationID: ev.Seq - 1}, wire.GapRemoved), wire.Event(ev)
	for _, s := range u.sessions {
		if !s.live {
			continue
		}
		if s.Queue.TrySend(gap) {
			s.Queue.SendEvent(ev.ConversationID, ev.Seq, removed)
		} else {
			s.Queue.SkipTo(ev.ConversationID, ev.Seq)
		}
	}
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
