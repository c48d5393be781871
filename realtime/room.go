package realtime

import (
	"context"
	"sync"
	"time"

	"im/domain"
)

const (
	roomMemory = 5 * time.Second // how old what is known of a conversation's size may be
	maxRooms   = 10_000          // remembered
)

// SignalScopes knows which frames of the living a conversation has.
type SignalScopes interface {
	// SignalScope returns ErrNotFound to who is not a member.
	SignalScope(ctx context.Context, user domain.UserID, id domain.ConversationID) (domain.SignalScope, error)
}

// rooms remembers for a moment what was asked of SignalScopes.
type rooms struct {
	mu    sync.Mutex
	known map[domain.ConversationID]knownRoom
}

type knownRoom struct {
	domain.SignalScope
	at time.Time
}

func (r *rooms) get(id domain.ConversationID) (domain.SignalScope, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.known[id]
	return k.SignalScope, ok && time.Since(k.at) < roomMemory
}

func (r *rooms) put(id domain.ConversationID, room domain.SignalScope) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil || len(r.known) >= maxRooms {
		r.known = make(map[domain.ConversationID]knownRoom)
	}
	r.known[id] = knownRoom{room, time.Now()}
}

// signalMembers passes a frame to the local sessions of the members of a
// conversation, except those of the user that it is about.
func (h *Hub) signalMembers(sig domain.ConversationFrame) {
	sh := h.shard(sig.Conversation)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.entries[sig.Conversation]
	if e == nil {
		return
	}
	frame := textFrame(sig.Frame)
	for u := range e.members {
		if u.id != sig.From {
			u.fleeting(frame)
		}
	}
}

// isMember tells whether the user of a session is known to be in a conversation.
// If not, the directory may know better.
func (h *Hub) isMember(s *session, id domain.ConversationID) bool {
	sh := h.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.entries[id]
	if e == nil {
		return false
	}
	_, member := e.members[s.home]
	return member
}

func (u *user) fleeting(w wire) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, s := range u.sessions {
		if s.live {
			s.out.offerFleeting(w)
		}
	}
}
