package verify

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// send is one message of a user with all its attempts. The ledger keeps it
// without its text: an hour at 200 sends/s needs about 80 MB.
type send struct {
	conversation string // "" until answered, if it was sent `to` a user
	content      uint64
	seq          int64 // from `sent`; 0 before
	at           int64 // from the answer, Unix microseconds
	first        int64 // first attempt, Unix microseconds
	open         int16 // attempts that may still be answered
	attempts     int16
	epoch        int16 // epoch of the answer
	byCall       bool  // answered over REST
	unknown      bool  // an attempt may have been committed without an answer
	committed    bool  // an answer said that it was not a duplicate
	code         string
	socket       uint32 // socket of the first attempt, and its frame
	frame        uint32
	found        int16 // number of events in the log
	foundSeq     int64
}

// outcome is the end of an attempt: a seq, an error code, or unknown.
type outcome struct {
	conversation string
	clientMsgID  string
	seq          int64
	at           time.Time
	duplicate    bool
	code         string // of an error, or the failure of the connection
	unknown      bool
	paused       bool // the session paused reading in between, so its times do not count
	byCall       bool // over REST, where answers name no epoch: it is the known one, or a newer one
}

// definite reports whether an error code means that the send was not committed.
func definite(code string) bool {
	switch code {
	case "unavailable", "internal", "":
		return false
	}
	return true
}

// ledger records all sends and their answers.
type ledger struct {
	tally *tally

	mu       sync.Mutex
	users    map[string]int
	sends    [][]*send // by user, in order
	changes  map[uint64]bool
	moved    []moved
	doubtful []doubtful
	gone     map[string]bool // conversations lost by a failover
}

// moved is a breach unless a conversation is gone: a message is then in another
// one, as when a direct conversation was created again.
type moved struct {
	from   string
	breach Breach
}

// doubtful is a breach unless a new epoch began at that time: the answers
// differ, and one may belong to a new epoch that no client had seen yet.
type doubtful struct {
	epoch  int
	at     time.Time
	breach Breach
}

// seenWithin bounds the time from the first answer in a new epoch until a
// client sees that epoch.
const seenWithin = 10 * time.Second

// differing returns the answers that differ without a new epoch in between.
// seen returns when an epoch was first seen, or zero. Before the first one was
// seen, it was the first.
func (l *ledger) differing(seen func(epoch int) time.Time) (found []Breach) {
	for _, d := range l.doubtful {
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

// attempt counts n attempts that are made at once.
func (l *ledger) attempt(s *send, n int16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.attempts += n
	s.open += n
	s.socket, s.frame = 0, 0
	l.tally.count(func(r *Report) { r.Attempts += int64(n) })
}

// framed records the socket and frame of a send's only attempt so far.
func (l *ledger) framed(s *send, socket, frame uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.attempts == 1 {
		s.socket, s.frame = socket, frame
	}
}

// settle records the end of an attempt and reports whether the send needs
// another one.
func (l *ledger) settle(s *send, id, client string, epoch int, o *outcome) (again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.open--
	switch {
	case o.seq > 0:
		l.answered(s, id, client, epoch, o)
	case o.unknown || !definite(o.code):
		s.unknown = true
		l.tally.fault("error " + orWord(o.code, "none"))
	default:
		s.code = o.code
		l.tally.fault("error " + o.code)
	}
	return s.seq == 0 && s.open == 0 && s.unknown && s.code == ""
}

// answered records an answer with a seq.
func (l *ledger) answered(s *send, id, client string, epoch int, o *outcome) {
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
				l.doubtful = append(l.doubtful, doubtful{epoch, time.Now(), b})
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
		l.tally.answered(time.Since(time.UnixMicro(s.first)), !o.paused)
	}
	if s.conversation == "" {
		s.conversation = o.conversation
	}
	if epoch < int(s.epoch) {
		return // of a conversation that is gone
	}
	s.seq, s.at, s.epoch, s.byCall = o.seq, o.at.UnixMicro(), int16(epoch), o.byCall
	s.committed = s.committed || !o.duplicate
}

// lose records that a failover lost a whole conversation.
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

// change records that a user requested a change other than a message, so that
// unrequested events in the log can be found.
func (l *ledger) change(conversation, kind, sender, about string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes[hash(conversation, kind, sender, about)] = true
}

// requested reports whether a user requested such a change.
func (l *ledger) requested(conversation, kind, sender, about string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changes[hash(conversation, kind, sender, about)]
}
