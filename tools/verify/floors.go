package verify

import (
	"fmt"
	"sync"
	"time"
)

// reader is the client that got an answer, and the epoch of the answer.
type reader struct {
	user, client string
	epoch        int
}

func (s *session) reader() reader { return reader{s.d.user.name, s.name, s.epoch} }

// floorView identifies the answers that named one floor to one user.
type floorView struct {
	user  string
	floor int64
}

// floorViews summarizes the answers that named one floor.
type floorViews struct {
	least, most int64  // their lowest and highest head_seq
	first       string // the client that got the first one
	at          time.Time
	times       int64
}

// floors keeps the floors that answers named to readers, and the messages that came
// without content. Both are checked against the log at the end.
type floors struct {
	mu         sync.Mutex
	floorViews map[string]map[floorView]*floorViews // by conversation, as the maps below
	erasures   map[string]map[int64]string          // messages without content: the client that got them, by seq
	early      map[string][]claim                   // a sample of the counts during the run
}

func newFloors() *floors {
	f := new(floors)
	f.forget()
	return f
}

// forget drops everything, because a new epoch began.
func (f *floors) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.floorViews, f.erasures, f.early = map[string]map[floorView]*floorViews{}, map[string]map[int64]string{}, map[string][]claim{}
}

// add records the floor of an answer as of head.
func (f *floors) add(by reader, id string, floor, head int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.floorViews[id] == nil {
		f.floorViews[id] = map[floorView]*floorViews{}
	}
	l := f.floorViews[id][floorView{by.user, floor}]
	if l == nil {
		l = &floorViews{least: head, first: by.client, at: time.Now()}
		f.floorViews[id][floorView{by.user, floor}] = l
	}
	l.least, l.most = min(l.least, head), max(l.most, head)
	l.times++
}

// withoutContent records that a reader got a message without its content.
func (f *floors) withoutContent(by reader, id string, seq int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.erasures[id] == nil {
		f.erasures[id] = map[int64]string{}
	}
	f.erasures[id][seq] = by.client
}

// maxEarly bounds the claims of a conversation that are kept during the run.
const maxEarly = 100

// claims keeps a sample of the unread counts that syncs return during the run.
func (f *floors) claims(by reader, v *view) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if list := f.early[v.ConversationID]; len(list) < maxEarly {
		f.early[v.ConversationID] = append(list, claim{by.user, by.client, v.HeadSeq, v.ReadSeq, v.UnreadCount, v.MentionCount, true})
	}
}

// shown checks what an answer shows of a conversation as of head: no event
// below the floor that it names, and no content of edits of such events.
func (r *runner) shown(by reader, id string, floor, head int64, events []event) {
	if !r.isCurrent(by.epoch) {
		return
	}
	r.floors.add(by, id, floor, head)
	for i := range events {
		e := &events[i]
		b := e.parsed()
		switch p, applies := contentCheckOf(e, &b); {
		case e.Seq < floor:
			r.below(by, id, e.Seq, "shown, although it lies below the floor, which is %d", floor)
		case !applies:
		case p.target < floor && !p.withoutContent:
			r.below(by, id, e.Seq, "an edit of %d, which lies below the floor, %d, with its content", p.target, floor)
		case p.target >= floor && p.withoutContent:
			r.floors.withoutContent(by, id, p.seq)
		}
	}
}

// showsView checks a conversation as its member sees it.
func (r *runner) showsView(by reader, v *view) {
	r.shown(by, v.ConversationID, v.FloorSeq, v.HeadSeq, v.Events)
	if last := v.LastMessage; last != nil && last.Seq < v.FloorSeq {
		r.below(by, v.ConversationID, last.Seq, "the last message lies below the floor, which is %d", v.FloorSeq)
	}
}

// below records a breach of I8: something below the floor was shown.
func (r *runner) below(by reader, id string, seq int64, text string, args ...any) {
	r.tally.breach(Breach{Invariant: "I8", ConversationID: id, Seq: seq, Client: by.client, Text: fmt.Sprintf(text, args...)})
}

// contentCheck is an event whose content depends on the floor of the reader: an edit,
// or a message without content. Whether it was right is known when the log is read.
type contentCheck struct {
	seq, target    int64
	withoutContent bool
}

// contentCheckOf returns the check of an event, and false if it needs none.
func contentCheckOf(e *event, b *body) (p contentCheck, applies bool) {
	switch {
	case e.Type == edited:
		return contentCheck{e.Seq, b.Target, b.withoutContent()}, true
	case e.Type == posted && b.withoutContent():
		return contentCheck{e.Seq, e.Seq, true}, true
	}
	return contentCheck{}, false
}
