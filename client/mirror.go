package client

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// mirror is what the client knows of the user's conversations: their states as the
// server sent them, with the events since then applied. Without a doubt, a state is the
// one that a sync would return at its HeadSeq.
type mirror struct {
	self  UserID
	views map[ConversationID]*mirrored
	// doubts has the conversations of which an event did not tell all that it changed. The
	// engine syncs until there are none.
	doubts map[ConversationID]*doubt
}

// mirrored is the state of a conversation. Readers get copies of the Conversation, so
// what its pointers refer to is replaced and not changed.
type mirrored struct {
	Conversation
	unread unread
}

// doubt is about a state that may differ from the server's. An example is a recall of a
// message that is older than the events that this client has received: the mirror does
// not know whether the message was counted as unread.
//
//	state    entered by                              left by
//	exact    a view of the server                    an event with an unknown effect, or a
//	                                                 read_state for older messages: to doubted
//	doubted  a doubt                                 a view that contains the event of the
//	                                                 doubt: to exact, once the later events
//	                                                 have been applied to it
//
// So the events since the doubt are kept, up to maxLater and maxLaterBytes. Beyond that,
// the doubt starts over at the last of them.
type doubt struct {
	from  int64 // views with at least this head settle it
	later []laterEvent
	bytes int
}

const (
	maxLater      = 256
	maxLaterBytes = 1 << 20
)

type laterEvent struct {
	event Event
	count countChange
}

func newMirror() mirror {
	return mirror{views: map[ConversationID]*mirrored{}, doubts: map[ConversationID]*doubt{}}
}

func (m *mirror) clear() {
	clear(m.views)
	clear(m.doubts)
}

func (m *mirror) drop(id ConversationID) {
	delete(m.views, id)
	delete(m.doubts, id)
}

// put stores a state that the server sent. If events have moved the stored one past it,
// it settles a doubt, or else only what no event changes is taken over.
func (m *mirror) put(v Conversation) {
	v.Events = nil // they go to OnEvent
	known := m.views[v.ConversationID]
	if known == nil {
		m.views[v.ConversationID] = &mirrored{Conversation: v}
		return
	}
	d := m.doubts[v.ConversationID]
	if v.HeadSeq < known.HeadSeq && (d == nil || v.HeadSeq < d.from) {
		known.takePreferences(&v)
		if v.ReadSeq > known.ReadSeq {
			m.readUpTo(known, v.ReadSeq, nil)
		}
		return
	}
	delete(m.doubts, v.ConversationID)
	read := known.ReadSeq
	known.Conversation = v
	if d != nil {
		for i := range d.later {
			if l := &d.later[i]; l.event.Seq > v.HeadSeq {
				m.advance(known, &l.event, l.count)
			}
		}
	}
	if read > known.ReadSeq { // the state is older than the reading
		m.readUpTo(known, read, nil)
	}
	known.unread.read(known.ReadSeq)
}

// takePreferences takes over what events do not change from an older state. A message
// since then has brought the conversation back from the archive, though.
func (v *mirrored) takePreferences(older *Conversation) {
	v.AckedSeq, v.Preferences = older.AckedSeq, older.Preferences
	if v.LastMessage != nil && v.LastMessage.Seq > older.HeadSeq {
		v.Preferences.Archived = false
	}
}

// peer returns the other user of a direct conversation; "" for a group.
func (m *mirror) peer(id ConversationID) UserID {
	if v := m.views[id]; v != nil {
		return v.Peer
	}
	return ""
}

// list returns copies, newest activity first.
func (m *mirror) list() []Conversation {
	list := make([]Conversation, 0, len(m.views))
	for v := range maps.Values(m.views) {
		list = append(list, v.Conversation)
	}
	slices.SortFunc(list, func(a, b Conversation) int {
		return cmp.Or(lastActive(b).Compare(lastActive(a)),
			cmp.Compare(b.ConversationID.String(), a.ConversationID.String()))
	})
	return list
}

func lastActive(v Conversation) time.Time {
	switch {
	case !v.ActiveAt.IsZero():
		return v.ActiveAt.Time
	case v.LastMessage != nil: // a server of an earlier version
		return v.LastMessage.At.Time
	}
	return v.CreatedAt.Time
}

// read takes over how far the user has read, unless that is known already.
func (m *mirror) read(r *ReadState) {
	if v := m.views[r.ConversationID]; v != nil && r.ReadSeq > v.ReadSeq {
		m.readUpTo(v, r.ReadSeq, r)
	}
}

// readUpTo moves the read position. The counts are those of the events that the mirror
// has applied: what the server says (nil: nothing) may contain later events, or lack
// some. It is taken, with a doubt, if the mirror does not know all unread messages.
func (m *mirror) readUpTo(v *mirrored, seq int64, said *ReadState) {
	v.ReadSeq = seq
	v.unread.read(seq)
	unread, mentions, ok := v.unread.countAfter(seq, v.HeadSeq)
	switch {
	case ok:
		v.UnreadCount, v.MentionCount = unread, mentions
	case said != nil:
		v.UnreadCount, v.MentionCount = said.UnreadCount, said.MentionCount
	}
	if !ok {
		m.doubt(v)
	}
}

// doubt records that the state may not be what the server has.
func (m *mirror) doubt(v *mirrored) {
	m.doubts[v.ConversationID] = &doubt{from: v.HeadSeq}
}

// add keeps an event for a view that does not contain it.
func (d *doubt) add(e *Event, c countChange) {
	if len(d.later) == maxLater || d.bytes > maxLaterBytes {
		*d = doubt{from: e.Seq}
		return
	}
	d.later = append(d.later, laterEvent{event: *e, count: c})
	d.bytes += e.Size()
}
