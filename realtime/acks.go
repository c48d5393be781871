package realtime

import (
	"context"
	"sync"

	"im/domain"
)

const (
	// ackConversations is how many conversations of one session may wait to be
	// written; then the session waits for the writing.
	ackConversations = 10_000
	// ackBatch is how many are written at once.
	ackBatch = 1_000
	// ackSessions is of how many sessions positions are kept whose writing failed.
	ackSessions = 100_000
)

// acks gathers what devices have acknowledged, the highest of each conversation,
// until it is written. Lost ones are repeated by the clients after a reconnect.
type acks struct {
	mu      sync.Mutex
	pending map[*session]map[domain.ConversationID]int64
}

func newAcks() acks { return acks{pending: make(map[*session]map[domain.ConversationID]int64)} }

// add notes a position and tells whether the session has so many that they
// should be written now.
func (a *acks) add(s *session, id domain.ConversationID, seq int64) (full bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	own := a.pending[s]
	if own == nil {
		own = make(map[domain.ConversationID]int64)
		a.pending[s] = own
	}
	own[id] = max(own[id], seq)
	return len(own) >= ackConversations
}

// addWhereRoom notes a position, unless it is of one conversation too many until
// the next writing.
func (a *acks) addWhereRoom(s *session, id domain.ConversationID, seq int64) {
	a.mu.Lock()
	_, there := a.pending[s][id]
	room := there || len(a.pending[s]) < ackConversations
	a.mu.Unlock()
	if room {
		a.add(s, id, seq)
	}
}

// ack is one position that waits to be written.
type ack struct {
	session *session
	id      domain.ConversationID
	seq     int64
}

func (a *acks) takeAll() []ack {
	a.mu.Lock()
	pending := a.pending
	a.pending = make(map[*session]map[domain.ConversationID]int64)
	a.mu.Unlock()
	var list []ack
	for s, own := range pending {
		list = appendAcks(list, s, own)
	}
	return list
}

func (a *acks) take(s *session) []ack {
	a.mu.Lock()
	own := a.pending[s]
	delete(a.pending, s)
	a.mu.Unlock()
	return appendAcks(nil, s, own)
}

func appendAcks(list []ack, s *session, own map[domain.ConversationID]int64) []ack {
	for id, seq := range own {
		list = append(list, ack{s, id, seq})
	}
	return list
}

// putBack keeps positions that could not be written for the next time, unless
// so many of them wait that the clients had better repeat them.
func (a *acks) putBack(list []ack) {
	a.mu.Lock()
	sessions := len(a.pending)
	a.mu.Unlock()
	if sessions > ackSessions {
		return
	}
	for _, p := range list {
		a.add(p.session, p.id, p.seq)
	}
}

// flushAcks writes positions.
func (g *Gateway) flushAcks(ctx context.Context, list []ack) {
	ctx, cancel := context.WithTimeout(ctx, g.o.Request)
	defer cancel()
	for len(list) > 0 {
		n := min(len(list), ackBatch)
		batch := make([]domain.Ack, n)
		for i, p := range list[:n] {
			batch[i] = domain.Ack{User: p.session.user, Device: p.session.device, ConversationID: p.id, Seq: p.seq}
		}
		if err := g.o.Reader.Acknowledge(ctx, batch); err != nil {
			g.o.Logger.Warn("acknowledgements not written", "count", len(list), "error", err)
			g.acks.putBack(list)
			return
		}
		list = list[n:]
	}
}
