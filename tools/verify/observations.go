package verify

import (
	"fmt"
	"sync"
	"time"
)

// source is how a client learned of an event.
type source uint8

const (
	byPush source = iota
	byPull
	byAnswer // a REST answer to the call that made it
)

func (s source) invariant() string {
	if s == byAnswer {
		return "I1"
	}
	return "I5"
}

func (s source) String() string { return [...]string{"pushed", "pulled", "answered"}[s] }

// observation is one event as a client got it.
type observation struct {
	digest digest
	by     int32 // index in names
	source source
	at     int64 // Unix microseconds, by the client's clock
}

// observations keeps what clients got of each event. If all got the same, it keeps
// one observation, so that it grows with the log and not with the number of clients.
type observations struct {
	mu     sync.Mutex
	first  map[string][]observation           // by conversation, at index seq-1: in the current epoch
	others map[string]map[int64][]observation // that differ from the first
	names  []string
}

func newObservations() *observations {
	return &observations{first: map[string][]observation{}, others: map[string]map[int64][]observation{}}
}

// client adds the name of a client and returns its index.
func (o *observations) client(name string) int32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.names = append(o.names, name)
	return int32(len(o.names) - 1)
}

// farSeq is a seq that no run reaches. An event beyond it is kept among the
// others.
const farSeq = 1 << 22

// add records that a client got an event, and returns when the first client
// knew of it.
func (o *observations) add(e *event, by int32, from source, now time.Time) time.Time {
	s := observation{digestOf(e), by, from, now.UnixMicro()}
	o.mu.Lock()
	defer o.mu.Unlock()
	known := o.entry(e.ConversationID, e.Seq)
	switch {
	case known == nil:
		o.addDifferent(e, s)
		return now
	case !known.digest.exists:
		if known.at > 0 {
			s.at = known.at
		}
		*known = s
	case !known.digest.same(s.digest):
		o.addDifferent(e, s)
	case known.digest.erased():
		known.digest = s.digest
	}
	return time.UnixMicro(known.at)
}

// entry returns where an event is kept, or nil if its seq is out of range.
func (o *observations) entry(id string, seq int64) *observation {
	list := o.first[id]
	if seq < 1 || seq > int64(len(list))+farSeq {
		return nil
	}
	for int64(len(list)) < seq {
		list = append(list, observation{})
	}
	o.first[id] = list
	return &list[seq-1]
}

// noteExists records that an answer named an event with that seq.
func (o *observations) noteExists(id string, seq int64, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if known := o.entry(id, seq); known != nil && known.at == 0 {
		known.at = now.UnixMicro()
	}
}

// known returns when the first client knew of an event; zero for never.
func (o *observations) known(id string, seq int64) (at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if list := o.first[id]; seq >= 1 && seq <= int64(len(list)) && list[seq-1].at > 0 {
		at = time.UnixMicro(list[seq-1].at)
	}
	return at
}

// maxDifferent bounds the different observations that are kept of one event.
const maxDifferent = 20

func (o *observations) addDifferent(e *event, s observation) {
	m := o.others[e.ConversationID]
	if m == nil {
		m = map[int64][]observation{}
		o.others[e.ConversationID] = m
	}
	if len(m[e.Seq]) < maxDifferent {
		m[e.Seq] = append(m[e.Seq], s)
	}
}

// conversations returns the conversations in which a client saw an event.
func (o *observations) conversations() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	ids := make([]string, 0, len(o.first))
	for id := range o.first {
		ids = append(ids, id)
	}
	for id := range o.others {
		if o.first[id] == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// hasAny reports whether a client knows of an event of a conversation in the
// current epoch.
func (o *observations) hasAny(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.first[id] != nil || o.others[id] != nil
}

// forget drops everything, because a new epoch began.
func (o *observations) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.first)
	clear(o.others)
}

// check compares what was seen of a conversation with its log. No client runs
// at that time.
func (o *observations) check(id string, log *history) []Breach {
	var found []Breach
	for i := range o.first[id] {
		found = o.compare(found, id, int64(i+1), &o.first[id][i], log)
	}
	for seq, list := range o.others[id] {
		for i := range list {
			found = o.compare(found, id, seq, &list[i], log)
		}
	}
	return found
}

func (o *observations) compare(found []Breach, id string, seq int64, s *observation, log *history) []Breach {
	if !s.digest.exists {
		return found
	}
	b := Breach{
		Invariant: s.source.invariant(), ConversationID: id, Seq: seq, Client: o.names[s.by], At: time.UnixMicro(s.at),
	}
	e := log.at(seq)
	switch {
	case e == nil:
		b.Text = fmt.Sprintf("%s, but not in the log, whose head is %d", s.source, log.head())
	case !e.digest.same(s.digest):
		b.ClientMsgID = e.clientMsgID
		b.Text = fmt.Sprintf("%s, but the log has another event at this seq (%s of %s), or another content", s.source, e.kind, e.sender)
	default:
		return found
	}
	return append(found, b)
}
