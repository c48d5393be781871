package realtime

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"im/domain"
	"im/internal/strictjson"
)

const (
	typingPause  = time.Second            // between what is told of one typist
	typingMemory = 6 * time.Second        // after which a typist who says nothing more is forgotten
	typingTick   = 200 * time.Millisecond // how often that is looked at
	// typingSessions is in how many conversations a session may type at once;
	// what is beyond is dropped.
	typingSessions = 16
)

type typingFrame struct {
	Type           string                `json:"type"`
	ConversationID domain.ConversationID `json:"conversation_id"`
	UserID         domain.UserID         `json:"user_id"`
	On             bool                  `json:"on"`
}

// typing are those who type on this node.
type typing struct {
	signaller Signaller

	mu      sync.Mutex
	typists map[*session]map[domain.ConversationID]*typist
}

// typist is one session that types in one conversation, or has just stopped.
type typist struct {
	on      bool      // as it was told last
	wanted  bool      // as the client said last
	told    time.Time // when on was told
	renewed time.Time // when the client said so last
	again   bool      // the client has said so since it was told
}

func newTyping(signaller Signaller) *typing {
	return &typing{signaller: signaller, typists: make(map[*session]map[domain.ConversationID]*typist)}
}

// say takes what a client said. What comes sooner than a pause after the last
// is told when the pause is over, as it stands then.
func (t *typing) say(s *session, id domain.ConversationID, on bool, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.out.over() {
		return
	}
	own := t.typists[s]
	p := own[id]
	if p == nil {
		if !on || len(own) >= typingSessions {
			return
		}
		if own == nil {
			own = make(map[domain.ConversationID]*typist, 1)
			t.typists[s] = own
		}
		p = &typist{}
		own[id] = p
	}
	p.wanted, p.renewed, p.again = on, now, true
	t.settle(s, id, p, now)
}

// settle tells what is due of a typist; false if there is nothing left to know.
func (t *typing) settle(s *session, id domain.ConversationID, p *typist, now time.Time) bool {
	if p.wanted && now.Sub(p.renewed) >= typingMemory {
		p.wanted = false
	}
	if now.Sub(p.told) < typingPause {
		return true
	}
	if p.wanted == p.on && (!p.on || !p.again) {
		return p.on
	}
	p.on, p.told, p.again = p.wanted, now, false
	t.tell(s, id, p.on)
	return true
}

func (t *typing) tell(s *session, id domain.ConversationID, on bool) {
	frame, err := json.Marshal(typingFrame{Type: "typing", ConversationID: id, UserID: s.user, On: on})
	if err != nil {
		return // cannot happen
	}
	t.signaller.Signal(domain.ConversationFrame{Conversation: id, From: s.user, Frame: frame})
}

// look tells what has become due.
func (t *typing) look(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for s, own := range t.typists {
		for id, p := range own {
			if !t.settle(s, id, p, now) {
				delete(own, id)
			}
		}
		if len(own) == 0 {
			delete(t.typists, s)
		}
	}
}

// leave ends the typing of a session.
func (t *typing) leave(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, p := range t.typists[s] {
		if p.on {
			t.tell(s, id, false)
		}
	}
	delete(t.typists, s)
}

func (t *typing) run(ctx context.Context) {
	ticker := time.NewTicker(typingTick)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			t.look(now)
		case <-ctx.Done():
			return
		}
	}
}

// typing takes a frame that has no answer but a refusal. Mostly what it has to
// know is known; if not, it is asked.
func (k *socket) typing(ctx context.Context, o *strictjson.Object) error {
	id := conversationID(o)
	on := o.Bool("on", true)
	if err := complaint(o); err != nil {
		return err
	}
	if err := k.admits(domain.RateSignal); err != nil {
		return err
	}
	if room, known := k.g.rooms.get(id); known && k.g.o.Hub.isMember(k.session, id) {
		k.typeIn(id, room, on)
		return nil
	}
	return k.query(ctx, "", func(ctx context.Context) (wire, error) {
		room, err := k.g.o.SignalScopes.SignalScope(ctx, k.session.user, id)
		if err != nil {
			return nil, err
		}
		k.g.rooms.put(id, room)
		k.typeIn(id, room, on)
		return nil, nil
	})
}

func (k *socket) typeIn(id domain.ConversationID, room domain.SignalScope, on bool) {
	if room.Members <= domain.TypingMembers {
		k.g.typing.say(k.session, id, on, time.Now())
	}
}
