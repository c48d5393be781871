package verify

import "fmt"

// floor is the lowest seq that a user with these stays may read as of head; 0 for
// who is not in then.
func (h *history) floor(stays []stay, head int64) int64 {
	for _, s := range stays {
		if s.from <= head && head < s.to {
			if h.shape.sinceJoin {
				return s.from
			}
			return 1
		}
	}
	return 0
}

// judge compares the floors that were told with the log, and what came without
// content with what was recalled. It returns how many floors above 1 there were, and
// in how many answers.
func (f *floors) judge(h *history, stays map[string][]stay) (floors, answers int64, found []Breach) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for l, seen := range f.looks[h.id] {
		if l.floor > 1 {
			floors, answers = floors+1, answers+seen.times
		}
		b := Breach{ConversationID: h.id, Seq: l.floor, Client: seen.first, At: seen.at}
		for _, head := range []int64{seen.least, seen.most} {
			if b.Invariant, b.Text = h.misplaced(l.floor, head, stays[l.user]); b.Text != "" {
				found = append(found, b)
				break
			}
		}
	}
	for seq, client := range f.bare[h.id] {
		if !h.erased(seq) {
			found = append(found, Breach{Invariant: "I5", ConversationID: h.id, Seq: seq, Client: client, Text: withheld})
		}
	}
	return floors, answers, append(found, h.judgeReach(stays)...)
}

const withheld = "came without its content, although the reader may read it, and it was not recalled"

// misplaced says what is wrong with a floor that was told as of head.
func (h *history) misplaced(floor, head int64, stays []stay) (invariant, text string) {
	want := h.floor(stays, head)
	switch {
	case !h.shape.sinceJoin && floor == 1:
		return "", "" // one for all stays
	case want == 0:
		return "I8", fmt.Sprintf("read from %d on, with the head %d, by somebody who was not in then", floor, head)
	case floor < want:
		return "I8", fmt.Sprintf("read from %d on, with the head %d: the floor is %d", floor, head, want)
	case floor > want:
		return "I6", fmt.Sprintf("read from %d on only, with the head %d: the floor is %d", floor, head, want)
	}
	return "", ""
}

// erased tells whether the log has a message without its content.
func (h *history) erased(seq int64) bool {
	e := h.at(seq)
	return e != nil && e.digest.erased()
}

// judgeReach checks that nobody did anything to, or replied to, what lies below the
// floor.
func (h *history) judgeReach(stays map[string][]stay) []Breach {
	var found []Breach
	for i := range h.entries {
		e := &h.entries[i]
		target := e.target
		if e.kind == posted {
			target = e.reply
		}
		if floor := h.floor(stays[e.sender], e.seq); target > 0 && target < floor {
			found = append(found, Breach{
				Invariant: "I8", ConversationID: h.id, Seq: e.seq, ClientMsgID: e.clientMsgID, Client: e.sender, At: e.at,
				Text: fmt.Sprintf("%s is about %d, which lies below the floor of its sender, %d", e.kind, target, floor),
			})
		}
	}
	return found
}

// judgePeeks checks the contents of what was pushed in a stint: of edits of what lies
// below the floor there is none, of everything else there is, unless it was recalled.
func (t *stint) judgePeeks(h *history, stays []stay, say func(invariant string, seq int64, text string, args ...any)) {
	for _, p := range t.peeks {
		switch floor := h.floor(stays, p.seq); {
		case floor == 0:
		case p.target < floor && !p.bare:
			say("I8", p.seq, "pushed with its content, an edit of %d, which lies below the floor, %d", p.target, floor)
		case p.target >= floor && p.bare && !h.erased(p.seq):
			say("I5", p.seq, withheld)
		}
	}
}
