package verify

import (
	"fmt"
	"sync"
	"time"
)

// reader is who was answered, by what name, in which epoch.
type reader struct {
	user, client string
	epoch        int
}

func (s *session) reader() reader { return reader{s.d.user.name, s.name, s.epoch} }

// look is a user's sight of a conversation from a floor on.
type look struct {
	user  string
	floor int64
}

// looks are the answers that told the same floor.
type looks struct {
	least, most int64 // head_seq of them
	first       string
	at          time.Time
	times       int64
}

// floors keep what readers were told of the lowest seq that they may read, and which
// messages they were shown without content: both can be judged by the log only.
type floors struct {
	mu    sync.Mutex
	looks map[string]map[look]*looks // by conversation, as all of these
	bare  map[string]map[int64]string
	early map[string][]claim
}

func newFloors() *floors {
	f := new(floors)
	f.forget()
	return f
}

// forget drops everything: a new epoch began.
func (f *floors) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks, f.bare, f.early = map[string]map[look]*looks{}, map[string]map[int64]string{}, map[string][]claim{}
}

// told notes the floor of an answer that is as of head.
func (f *floors) told(by reader, id string, floor, head int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.looks[id] == nil {
		f.looks[id] = map[look]*looks{}
	}
	l := f.looks[id][look{by.user, floor}]
	if l == nil {
		l = &looks{least: head, first: by.client, at: time.Now()}
		f.looks[id][look{by.user, floor}] = l
	}
	l.least, l.most = min(l.least, head), max(l.most, head)
	l.times++
}

// stripped notes that a reader was shown a message without its content.
func (f *floors) stripped(by reader, id string, seq int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.bare[id] == nil {
		f.bare[id] = map[int64]string{}
	}
	f.bare[id][seq] = by.client
}

// maxEarly bounds how many claims of a conversation are kept before the end.
const maxEarly = 100

// claims keeps some of what syncs tell of unread messages on the way.
func (f *floors) claims(by reader, v *view) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if list := f.early[v.ConversationID]; len(list) < maxEarly {
		f.early[v.ConversationID] = append(list, claim{by.user, by.client, v.HeadSeq, v.ReadSeq, v.UnreadCount, v.MentionCount, true})
	}
}

// shown judges what an answer shows of a conversation as of head: nothing below the
// floor that it tells, nor what edits say of that.
func (r *runner) shown(by reader, id string, floor, head int64, events []event) {
	if !r.present(by.epoch) {
		return
	}
	r.floors.told(by, id, floor, head)
	for i := range events {
		e := &events[i]
		b := e.parsed()
		switch p, tells := peekOf(e, &b); {
		case e.Seq < floor:
			r.below(by, id, e.Seq, "shown, although it lies below the floor, which is %d", floor)
		case !tells:
		case p.target < floor && !p.bare:
			r.below(by, id, e.Seq, "an edit of %d, which lies below the floor, %d, with its content", p.target, floor)
		case p.target >= floor && p.bare:
			r.floors.stripped(by, id, p.seq)
		}
	}
}

// showsView judges a conversation as its member sees it.
func (r *runner) showsView(by reader, v *view) {
	r.shown(by, v.ConversationID, v.FloorSeq, v.HeadSeq, v.Events)
	if last := v.LastMessage; last != nil && last.Seq < v.FloorSeq {
		r.below(by, v.ConversationID, last.Seq, "the last message lies below the floor, which is %d", v.FloorSeq)
	}
}

func (r *runner) below(by reader, id string, seq int64, text string, args ...any) {
	r.tally.breach(Breach{Invariant: "I8", ConversationID: id, Seq: seq, Client: by.client, Text: fmt.Sprintf(text, args...)})
}

// peek is a message that says something of its floor: an edit, or one that came
// without content.
type peek struct {
	seq, target int64
	bare        bool
}

func peekOf(e *event, b *body) (p peek, tells bool) {
	switch {
	case e.Type == edited:
		return peek{e.Seq, b.Target, b.bare()}, true
	case e.Type == posted && b.bare():
		return peek{e.Seq, e.Seq, true}, true
	}
	return peek{}, false
}
