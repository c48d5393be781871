package presence

import (
	"context"
	"sync"
	"time"

	"im/domain"
	"im/realtime/hub"
	"im/realtime/wire"
)

const (
	typingInterval = time.Second            // minimum between signals of one typist
	typingTimeout  = 6 * time.Second        // after which a typist who says nothing more has stopped
	typingTick     = 200 * time.Millisecond // how often both are checked
	// maxTyping is in how many conversations a session may type at once; further
	// ones are ignored.
	maxTyping = 16
)

// Typing relays who is typing among the sessions of this node.
type Typing struct {
	signaller Signaller

	mu      sync.Mutex
	typists map[*hub.Session]map[domain.ConversationID]*typist
}

// typist is one session that types in one conversation, or has just stopped:
//
//	wanted  sent   what update does, at most once per typingInterval
//	on      off    sends on
//	on      on     sends on again if the client has renewed it (renewed)
//	off     on     sends off
//	off     off    the typist is deleted
//
// wanted becomes off by the client, or after typingTimeout.
type typist struct {
	wanted   bool      // as the client said last
	wantedAt time.Time // when the client said so
	sent     bool      // as was sent last
	sentAt   time.Time
	renewed  bool // the client has said something since sentAt
}

// NewTyping returns a Typing.
func NewTyping(signaller Signaller) *Typing {
	return &Typing{signaller: signaller, typists: make(map[*hub.Session]map[domain.ConversationID]*typist)}
}

// Set takes what a client says. If it comes within typingInterval of the last
// signal, the state at the end of the interval is sent then.
func (t *Typing) Set(s *hub.Session, id domain.ConversationID, on bool, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.Queue.Closing() {
		return
	}
	own := t.typists[s]
	p := own[id]
	if p == nil {
		if !on || len(own) >= maxTyping {
			return
		}
		if own == nil {
			own = make(map[domain.ConversationID]*typist, 1)
			t.typists[s] = own
		}
		p = &typist{}
		own[id] = p
	}
	p.wanted, p.wantedAt, p.renewed = on, now, true
	t.update(s, id, p, now)
}

// update sends what is due of a typist, and reports whether to keep it.
func (t *Typing) update(s *hub.Session, id domain.ConversationID, p *typist, now time.Time) (keep bool) {
	if p.wanted && now.Sub(p.wantedAt) >= typingTimeout {
		p.wanted = false
	}
	if now.Sub(p.sentAt) < typingInterval {
		return true
	}
	if p.wanted == p.sent && (!p.sent || !p.renewed) {
		return p.sent
	}
	p.sent, p.sentAt, p.renewed = p.wanted, now, false
	t.send(s, id, p.sent)
	return true
}

func (t *Typing) send(s *hub.Session, id domain.ConversationID, on bool) {
	t.signaller.Signal(domain.ConversationFrame{Conversation: id, From: s.User, Frame: wire.Typing(id, s.User, on).Payload()})
}

// tick sends what has become due, and deletes typists who have stopped.
func (t *Typing) tick(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for s, own := range t.typists {
		for id, p := range own {
			if !t.update(s, id, p, now) {
				delete(own, id)
			}
		}
		if len(own) == 0 {
			delete(t.typists, s)
		}
	}
}

// Leave ends the typing of a session that leaves.
func (t *Typing) Leave(s *hub.Session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, p := range t.typists[s] {
		if p.sent {
			t.send(s, id, false)
		}
	}
	delete(t.typists, s)
}

// Sessions returns the number of sessions that type, or have just stopped.
func (t *Typing) Sessions() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.typists)
}

// Run sends what becomes due until ctx ends.
func (t *Typing) Run(ctx context.Context) {
	ticker := time.NewTicker(typingTick)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			t.tick(now)
		case <-ctx.Done():
			return
		}
	}
}
