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

// sight is one event as a client saw it.
type sight struct {
	digest digest
	by     int32 // index of the client's name
	source source
	at     int64 // Unix microseconds, by the client's clock
}

// witness keeps what clients saw of each event: once if all saw the same, so
// that it grows with the log and not with the number of clients.
type witness struct {
	mu     sync.Mutex
	first  map[string][]sight           // by conversation, at index seq-1: in the current epoch
	others map[string]map[int64][]sight // what looked different
	names  []string
}

func newWitness() *witness {
	return &witness{first: map[string][]sight{}, others: map[string]map[int64][]sight{}}
}

// client returns the number of a name.
func (w *witness) client(name string) int32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names = append(w.names, name)
	return int32(len(w.names) - 1)
}

// farSeq is a seq that no run reaches. An event beyond it is kept among the
// others.
const farSeq = 1 << 22

// see records that a client saw an event, and returns when the first client
// knew of it.
func (w *witness) see(e *event, by int32, from source, now time.Time) time.Time {
	s := sight{digestOf(e), by, from, now.UnixMicro()}
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.place(e.ConversationID, e.Seq)
	switch {
	case known == nil:
		w.differs(e, s)
		return now
	case !known.digest.exists:
		if known.at > 0 {
			s.at = known.at
		}
		*known = s
	case !known.digest.same(s.digest):
		w.differs(e, s)
	case known.digest.erased():
		known.digest = s.digest
	}
	return time.UnixMicro(known.at)
}

// place returns where an event is kept, or nil if its seq is out of range.
func (w *witness) place(id string, seq int64) *sight {
	list := w.first[id]
	if seq < 1 || seq > int64(len(list))+farSeq {
		return nil
	}
	for int64(len(list)) < seq {
		list = append(list, sight{})
	}
	w.first[id] = list
	return &list[seq-1]
}

// know records that an answer said that an event with that seq exists.
func (w *witness) know(id string, seq int64, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if known := w.place(id, seq); known != nil && known.at == 0 {
		known.at = now.UnixMicro()
	}
}

// known returns when the first client knew of an event; zero for never.
func (w *witness) known(id string, seq int64) (at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if list := w.first[id]; seq >= 1 && seq <= int64(len(list)) && list[seq-1].at > 0 {
		at = time.UnixMicro(list[seq-1].at)
	}
	return at
}

// maxDifferent bounds the different sights that are kept of one event.
const maxDifferent = 20

func (w *witness) differs(e *event, s sight) {
	m := w.others[e.ConversationID]
	if m == nil {
		m = map[int64][]sight{}
		w.others[e.ConversationID] = m
	}
	if len(m[e.Seq]) < maxDifferent {
		m[e.Seq] = append(m[e.Seq], s)
	}
}

// conversations returns the conversations in which a client saw an event.
func (w *witness) conversations() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := make([]string, 0, len(w.first))
	for id := range w.first {
		ids = append(ids, id)
	}
	for id := range w.others {
		if w.first[id] == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// knows reports whether a client knows of an event of a conversation in the
// current epoch.
func (w *witness) knows(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first[id] != nil || w.others[id] != nil
}

// forget drops everything, because a new epoch began.
func (w *witness) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.first)
	clear(w.others)
}

// check compares what was seen of a conversation with its log. No client runs
// at that time.
func (w *witness) check(id string, log *history) []Breach {
	var found []Breach
	for i := range w.first[id] {
		found = w.compare(found, id, int64(i+1), &w.first[id][i], log)
	}
	for seq, list := range w.others[id] {
		for i := range list {
			found = w.compare(found, id, seq, &list[i], log)
		}
	}
	return found
}

func (w *witness) compare(found []Breach, id string, seq int64, s *sight, log *history) []Breach {
	if !s.digest.exists {
		return found
	}
	b := Breach{
		Invariant: s.source.invariant(), ConversationID: id, Seq: seq, Client: w.names[s.by], At: time.UnixMicro(s.at),
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
