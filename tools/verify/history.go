package verify

import (
	"fmt"
	"slices"
	"time"
)

// entry is what is kept of an event while its conversation is checked.
type entry struct {
	seq         int64
	digest      digest
	kind        string
	sender      string
	clientMsgID string // of message.posted
	at          time.Time
	target      int64
	reply       int64    // of message.posted
	content     uint64   // of posts and edits
	who         string   // the member that it is about; the emoji of a reaction
	role        string   // of that member
	mentions    []string // of posts and edits
	members     []member // of the creation
}

// history is the log of one conversation as GET …/events returned it, in that
// order.
type history struct {
	id        string
	entries   []entry
	groupKind groupKind
	claimed   int64 // head_seq of the last page
}

// head returns the seq of the last event; 0 for an empty log.
func (h *history) head() int64 {
	if len(h.entries) == 0 {
		return 0
	}
	return h.entries[len(h.entries)-1].seq
}

// at returns the event with that seq, or nil. Holes were checked before, so
// without one the event is at its index.
func (h *history) at(seq int64) *entry {
	if seq >= 1 && seq <= int64(len(h.entries)) && h.entries[seq-1].seq == seq {
		return &h.entries[seq-1]
	}
	i, ok := slices.BinarySearchFunc(h.entries, seq, func(e entry, seq int64) int { return int(e.seq - seq) })
	if !ok {
		return nil
	}
	return &h.entries[i]
}

func (h *history) add(e *event) {
	b := e.parsed()
	x := entry{
		seq: e.Seq, digest: digestOf(e), kind: e.Type, sender: e.Sender, clientMsgID: e.ClientMsgID, at: e.At,
		target: b.Target, reply: b.ReplyTo, who: b.UserID, role: b.Role, mentions: b.Mentions, members: b.Members,
	}
	switch e.Type {
	case reacted, undone:
		x.who = b.Emoji
	case posted, edited:
		x.content = contentHash(b.Content)
	case created:
		h.groupKind = b.Settings.groupKind()
	}
	h.entries = append(h.entries, x)
}

// check checks that the log is 1…head (I2) and that its time never decreases.
func (h *history) check() []Breach {
	var found []Breach
	say := func(seq int64, text string, args ...any) {
		found = append(found, Breach{Invariant: "I2", ConversationID: h.id, Seq: seq, Client: "the log", Text: fmt.Sprintf(text, args...)})
	}
	last := int64(0)
	for i := range h.entries {
		e := &h.entries[i]
		if e.seq != last+1 {
			say(e.seq, "the log is not dense: %d comes after %d", e.seq, last)
		}
		last = e.seq
		if i > 0 && e.at.Before(h.entries[i-1].at) {
			say(e.seq, "`at` goes back: %s after %s", stamp(e.at), stamp(h.entries[i-1].at))
		}
	}
	if h.claimed > last {
		say(h.claimed, "the log ends at %d, but its head_seq is %d", last, h.claimed)
	}
	return found
}

// describe returns what an event is and when it happened, for reports.
func (h *history) describe(seq int64) string {
	e := h.at(seq)
	if e == nil {
		return "not in the log"
	}
	return fmt.Sprintf("%s of %s", e.kind, stamp(e.at))
}

func stamp(t time.Time) string { return t.UTC().Format("15:04:05.000000") }

// membership is one membership of a user: the first and the last seq that the user
// gets. to is forever while it lasts.
type membership struct{ from, to int64 }

const forever = int64(1) << 62

// memberships returns the memberships of each user, in order.
func (h *history) memberships() map[string][]membership {
	all := map[string][]membership{}
	for i := range h.entries {
		e := &h.entries[i]
		switch e.kind {
		case created:
			for _, m := range e.members {
				all[m.UserID] = append(all[m.UserID], membership{e.seq, forever})
			}
		case added:
			if list := all[e.who]; len(list) == 0 || list[len(list)-1].to != forever {
				all[e.who] = append(list, membership{e.seq, forever})
			}
		case removed:
			if list := all[e.who]; len(list) > 0 && list[len(list)-1].to == forever {
				list[len(list)-1].to = e.seq
			}
		}
	}
	return all
}
