package verify

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// send is one message that a user sends, however often it is tried. The ledger
// keeps it without its text: a soak of an hour at 200 a second needs some 80 MB.
type send struct {
	conversation string // "" until told, for one sent `to` a user
	content      uint64
	seq          int64 // told by `sent`; 0 before
	at           int64 // told, Unix microseconds
	first        int64 // first attempt, Unix microseconds
	open         int16 // attempts that may still be answered
	attempts     int16
	epoch        int16 // in which it was answered
	byCall       bool  // so it was
	unknown      bool  // an attempt may have been committed without an answer
	committed    bool  // an answer said that it was the first
	code         string
	socket       uint32 // of a first attempt over a socket; its frame
	frame        uint32
	found        int16 // how often the log has it
	foundSeq     int64
}

// outcome is how an attempt ended: with a seq, with an error code, or unknown.
type outcome struct {
	conversation string
	clientMsgID  string
	seq          int64
	at           time.Time
	duplicate    bool
	code         string // of an error, or what happened to the connection
	unknown      bool
	rested       bool // the session did not read meanwhile: its times say nothing
	byCall       bool // over REST, where nobody tells the epoch: it is that of before, or a newer one
}

// definite tells whether an error code means that nothing was committed.
func definite(code string) bool {
	switch code {
	case "unavailable", "internal", "":
		return false
	}
	return true
}

// ledger knows all that was sent, and how it was answered.
type ledger struct {
	tally *tally

	mu      sync.Mutex
	users   map[string]int
	sends   [][]*send // by user, in order
	changes map[uint64]bool
	moved   []moved
	doubted []doubted
	gone    map[string]bool // conversations that a failover took away
}

// moved is a breach unless a conversation is gone: a message for it is in another
// one, as when a direct conversation was begun anew.
type moved struct {
	from   string
	breach Breach
}

// doubted is a breach unless a new epoch began at that time: two answers that differ,
// one of which may be of the new epoch though nobody had seen that yet.
type doubted struct {
	epoch  int
	at     time.Time
	breach Breach
}

// seenWithin is how long after its first answer a new epoch is seen.
const seenWithin = 10 * time.Second

// differing returns the answers that differ though no epoch lay between them. seen is
// when an epoch was seen first, zero if it was not. Before any was seen, it was the first.
func (l *ledger) differing(seen func(epoch int) time.Time) (found []Breach) {
	for _, d := range l.doubted {
		if next := seen(max(d.epoch, 1) + 1); next.IsZero() || next.Sub(d.at) > seenWithin {
			found = append(found, d.breach)
		}
	}
	return found
}

func newLedger(t *tally, users []*user) *ledger {
	l := &ledger{tally: t, users: map[string]int{}, sends: make([][]*send, len(users)), changes: map[uint64]bool{}, gone: map[string]bool{}}
	for i, u := range users {
		l.users[u.name] = i
	}
	return l
}

// begin gives a new send its client_msg_id.
func (l *ledger) begin(u *user, conversation string) (*send, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &send{conversation: conversation, first: time.Now().UnixMicro()}
	l.sends[u.index] = append(l.sends[u.index], s)
	l.tally.count(func(r *Report) { r.Sends++ })
	return s, u.name + "." + strconv.Itoa(len(l.sends[u.index]))
}

// find returns the send with that client_msg_id, or nil.
func (l *ledger) find(sender, clientMsgID string) *send {
	name, number, ok := cutLast(clientMsgID)
	n, err := strconv.Atoi(number)
	if !ok || err != nil || name != sender {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i, known := l.users[name]
	if !known || n < 1 || n > len(l.sends[i]) {
		return nil
	}
	return l.sends[i][n-1]
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// attempt counts n more tries, made at once.
func (l *ledger) attempt(s *send, n int16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.attempts += n
	s.open += n
	s.socket, s.frame = 0, 0
	l.tally.count(func(r *Report) { r.Attempts += int64(n) })
}

// framed notes over which socket, and as which of its frames, the only attempt
// so far is made.
func (l *ledger) framed(s *send, socket, frame uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.attempts == 1 {
		s.socket, s.frame = socket, frame
	}
}

// settle notes how an attempt ended, and says whether the send needs another.
func (l *ledger) settle(s *send, id, client string, epoch int, o *outcome) (again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.open--
	switch {
	case o.seq > 0:
		l.told(s, id, client, epoch, o)
	case o.unknown || !definite(o.code):
		s.unknown = true
		l.tally.fault("error " + orWord(o.code, "none"))
	default:
		s.code = o.code
		l.tally.fault("error " + o.code)
	}
	return s.seq == 0 && s.open == 0 && s.unknown && s.code == ""
}

// told takes an answer with a seq.
func (l *ledger) told(s *send, id, client string, epoch int, o *outcome) {
	b := Breach{ConversationID: o.conversation, Seq: o.seq, ClientMsgID: id, Client: client, At: time.Now()}
	say := func(invariant, text string, args ...any) {
		b.Invariant, b.Text = invariant, fmt.Sprintf(text, args...)
		l.tally.breach(b)
	}
	if o.clientMsgID != id {
		say("I1", "the answer names the client_msg_id %q", o.clientMsgID)
	}
	if s.conversation != "" && s.conversation != o.conversation {
		b.Invariant, b.Text = "I1", "answered for another conversation than "+s.conversation
		l.moved = append(l.moved, moved{s.conversation, b})
	}
	if o.duplicate {
		l.tally.count(func(r *Report) { r.Duplicates++ })
	}
	if s.seq > 0 && int(s.epoch) == epoch {
		differs := say
		if s.byCall || o.byCall {
			differs = func(invariant, text string, args ...any) {
				b.Invariant, b.Text = invariant, fmt.Sprintf(text, args...)
				l.doubted = append(l.doubted, doubted{epoch, time.Now(), b})
			}
		}
		if s.seq != o.seq {
			differs("I3", "answered twice, with the seqs %d and %d", s.seq, o.seq)
		} else if s.at != o.at.UnixMicro() {
			differs("I1", "answered twice, with different times")
		}
		if s.committed && !o.duplicate {
			differs("I3", "answered as new twice")
		}
	}
	if s.seq == 0 {
		l.tally.answered(time.Since(time.UnixMicro(s.first)), !o.rested)
	}
	if s.conversation == "" {
		s.conversation = o.conversation
	}
	if epoch < int(s.epoch) {
		return // of what is no more
	}
	s.seq, s.at, s.epoch, s.byCall = o.seq, o.at.UnixMicro(), int16(epoch), o.byCall
	s.committed = s.committed || !o.duplicate
}

// lose notes that a failover took a whole conversation away.
func (l *ledger) lose(conversation string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone[conversation] = true
}

func orWord(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// change notes that a user asks for something other than a message, so that what
// the log has beyond messages can be told from what nobody asked for.
func (l *ledger) change(conversation, kind, sender, about string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes[hash(conversation, kind, sender, about)] = true
}

func (l *ledger) asked(conversation, kind, sender, about string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changes[hash(conversation, kind, sender, about)]
}
