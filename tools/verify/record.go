package verify

import (
	"fmt"
	"time"
)

// sessionRecord is what the checks need of an ended session.
type sessionRecord struct {
	user      string
	name      string
	epoch     int
	began     time.Time
	lastFrame time.Time // when the last frame came
	resumed   time.Time // the end of its last pause
	settled   bool
	spans     map[string][]*pushSpan
}

// keepRecord keeps what the checks need of an ended session.
func (r *runner) keepRecord(s *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := sessionRecord{
		user: s.d.user.name, name: s.name, epoch: s.epoch, began: s.welcomed, lastFrame: s.lastFrame, resumed: s.resumed,
		settled: s.settled, spans: s.stream.spans,
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, x)
}

// due reports whether an event that was known at that time had to reach the
// session before its end.
func (x *sessionRecord) due(known time.Time, within time.Duration) bool {
	return x.settled || x.lastFrame.After(latest(known, x.resumed).Add(within))
}

// check compares the pushes of a session in a conversation with its log:
// everything that was due came (I6), and nothing that must not come (I8). It returns
// the number of events that were due.
func (x *sessionRecord) check(h *history, memberships []membership, known func(int64) time.Time, clock *clock, within time.Duration) (checked int64, found []Breach) {
	say := func(invariant string, seq int64, text string, args ...any) {
		b := Breach{Invariant: invariant, ConversationID: h.id, Seq: seq, Client: x.name, At: x.lastFrame, Text: fmt.Sprintf(text, args...)}
		if e := h.at(seq); e != nil {
			b.ClientMsgID = e.clientMsgID
		}
		found = append(found, b)
	}
	for _, t := range x.spans[h.id] {
		for _, run := range t.runs() {
			if run.from <= h.head() && !inside(memberships, run.from, min(run.to, h.head())) {
				say("I8", run.from, "pushed %d to %d to a non-member", run.from, run.to)
			}
		}
		t.checkContent(h, memberships, say)
	}
	for _, in := range memberships {
		base := x.base(h, in, known, clock)
		if base < 0 {
			continue
		}
		end := min(in.to, h.head())
		for end > base && !x.due(firstKnown(h, end, known), within) {
			end--
		}
		if end <= base {
			continue
		}
		first, reached := x.extent(h.id, in)
		checked += end - base
		if reached < end {
			from := max(reached, base) + 1
			say("I6", from, "never pushed (%s), nor up to %d (%s); the session lived from %s to %s; its user is in from %d on",
				h.describe(from), end, h.describe(end), stamp(x.began), stamp(x.lastFrame), in.from)
		} else if first > base+1 {
			say("I4", base+1, "a hole at the beginning: all above %d had to be pushed, the first was %d", base, first)
		}
	}
	return checked, found
}

// firstKnown returns when the first client knew of an event, else the event's
// own time.
func firstKnown(h *history, seq int64, known func(int64) time.Time) time.Time {
	if at := known(seq); !at.IsZero() {
		return at
	}
	if e := h.at(seq); e != nil {
		return e.at
	}
	return time.Now()
}

// margin is added to the start of a session: a user who joins later than that is
// certainly notified over this session.
const margin = 2 * time.Second

// base returns the seq above which all events of a membership had to be pushed, or -1
// if that is unknown.
func (x *sessionRecord) base(h *history, in membership, known func(int64) time.Time, clock *clock) int64 {
	for _, t := range x.spans[h.id] {
		if t.base >= in.from && t.base <= in.to {
			return t.base
		}
	}
	e := h.at(in.from)
	if e == nil {
		return -1
	}
	joined := clock.local(e.at)
	if seen := known(in.from); !seen.IsZero() && seen.Before(joined) {
		joined = seen // the clock of the database was ahead
	}
	if joined.After(x.began.Add(margin)) {
		return in.from - 1
	}
	return -1
}

// extent returns the first and the last pushed seq of a membership; 0 for none.
func (x *sessionRecord) extent(id string, in membership) (first, reached int64) {
	for _, t := range x.spans[id] {
		for _, run := range t.runs() {
			if run.from >= in.from && run.from <= in.to {
				first, reached = earlier(first, run.from), max(reached, min(run.to, in.to))
			}
		}
		for _, g := range t.gaps { // gaps name what was left out
			if g.head >= in.from && g.last < in.to {
				first, reached = earlier(first, max(g.last+1, in.from)), max(reached, min(g.head, in.to))
			}
		}
	}
	return first, reached
}

// earlier returns the lower of two seqs, either of which may be 0 for none.
func earlier(a, b int64) int64 {
	if a == 0 {
		return b
	}
	return min(a, b)
}

func inside(memberships []membership, from, to int64) bool {
	for _, s := range memberships {
		if from >= s.from && to <= s.to {
			return true
		}
	}
	return false
}
