package verify

import (
	"fmt"
	"slices"
	"time"
)

// checkLog checks the messages of a log. Each was sent (I3), is in the log once (I3),
// and is as it was sent and answered (I1). The messages of one socket are in the order
// of its frames (rule 2). Events of other types were requested. The epoch is that of
// the log.
func (l *ledger) checkLog(h *history, epoch int) []Breach {
	var found []Breach
	bySocket := map[uint32][]ordered{}
	for i := range h.entries {
		e := &h.entries[i]
		b := Breach{Invariant: "I3", ConversationID: h.id, Seq: e.seq, ClientMsgID: e.clientMsgID, Client: e.sender, At: e.at}
		if e.kind != posted {
			if about, known := subjectOf(e); known && !l.requested(h.id, e.kind, e.sender, about) {
				b.Text = e.kind + " is in the log, but no user requested it"
				found = append(found, b)
			}
			continue
		}
		s := l.find(e.sender, e.clientMsgID)
		if s == nil {
			b.Text = "in the log, but never sent"
			found = append(found, b)
			continue
		}
		if s.conversation != "" && s.conversation != h.id {
			b.Text = "in the log of another conversation than it was sent to, " + s.conversation
			l.moved = append(l.moved, moved{s.conversation, b})
		}
		found = append(found, s.match(e, b, epoch)...)
		if s.socket > 0 && s.seq == e.seq && s.attempts == 1 {
			bySocket[s.socket] = append(bySocket[s.socket], ordered{s.frame, e})
		}
	}
	return append(found, checkOrder(h.id, bySocket)...)
}

// match compares an event with its send. It counts how often the send was found.
func (s *send) match(e *entry, b Breach, epoch int) []Breach {
	var found []Breach
	say := func(invariant, text string, args ...any) {
		b.Invariant, b.Text = invariant, fmt.Sprintf(text, args...)
		found = append(found, b)
	}
	s.found++
	if s.found > 1 {
		say("I3", "in the log %d times; before at %d", s.found, s.foundSeq)
		return found
	}
	s.foundSeq = e.seq
	if !e.digest.erased() && e.digest.inner != s.content {
		say("I1", "the content in the log is not what was sent")
	}
	if s.seq == e.seq && s.at != e.at.UnixMicro() && !s.mayRepeat(epoch) {
		say("I1", "answered with the time %s, the log has %s", stamp(time.UnixMicro(s.at)), stamp(e.at))
	}
	return found
}

// mayRepeat reports whether a send may have been committed a second time in
// this epoch, because the commit of an earlier epoch was lost: only if it was
// tried more than once.
func (s *send) mayRepeat(epoch int) bool { return int(s.epoch) != epoch && s.attempts > 1 }

// ordered is a message and the number of its frame on its socket.
type ordered struct {
	frame uint32
	event *entry
}

// checkOrder checks rule 2: the sends of one socket to one conversation are
// committed in the order of its frames.
func checkOrder(id string, bySocket map[uint32][]ordered) []Breach {
	var found []Breach
	for _, list := range bySocket {
		slices.SortFunc(list, func(a, b ordered) int { return int(a.frame) - int(b.frame) })
		for i := 1; i < len(list); i++ {
			before, e := list[i-1].event, list[i].event
			if before.seq > e.seq {
				found = append(found, Breach{
					Invariant: "rule2", ConversationID: id, Seq: e.seq, ClientMsgID: e.clientMsgID, Client: e.sender, At: e.at,
					Text: fmt.Sprintf("sent after %s over the same socket, which is committed at %d", before.clientMsgID, before.seq),
				})
			}
		}
	}
	return found
}

// check checks all sends after all logs were read. An answered send is in the log at
// the seq of the answer. A refused send is not in the log. A send that was answered in
// an earlier epoch and is not in the log was lost by the failover in between.
func (l *ledger) check(epoch int) []Breach {
	var found []Breach
	var refused, unanswered, lost int64
	for user, list := range l.sends {
		for n, s := range list {
			b := Breach{ConversationID: s.conversation, Seq: s.seq, Client: l.name(user), At: time.UnixMicro(s.first)}
			b.ClientMsgID = fmt.Sprintf("%s.%d", b.Client, n+1)
			switch {
			case s.seq > 0 && s.found == 0 && int(s.epoch) != epoch:
				lost++
			case s.seq > 0 && s.found == 0:
				b.Invariant, b.Text = "I1", "answered as sent, but not in the log"
				found = append(found, b)
			case s.seq > 0 && s.foundSeq != s.seq && !s.mayRepeat(epoch):
				b.Invariant, b.Text = "I1", fmt.Sprintf("answered with the seq %d, but at %d in the log", s.seq, s.foundSeq)
				found = append(found, b)
			case s.seq == 0 && !s.unknown && s.open == 0 && s.found > 0:
				b.Invariant, b.Seq, b.Text = "I3", s.foundSeq, "refused with "+s.code+", but is in the log"
				found = append(found, b)
			}
			switch {
			case s.seq > 0:
			case s.unknown || s.open > 0:
				unanswered++
			default:
				refused++
			}
		}
	}
	for _, m := range l.moved {
		if !l.gone[m.from] {
			found = append(found, m.breach)
		}
	}
	l.tally.count(func(r *Report) {
		r.Refused, r.Unanswered, r.Lost, r.LostConversations = refused, unanswered, lost, int64(len(l.gone))
	})
	return found
}

// name returns the name of a user by its index.
func (l *ledger) name(user int) string {
	for name, i := range l.users {
		if i == user {
			return name
		}
	}
	return ""
}
