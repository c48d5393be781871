package verify

import "fmt"

// floor returns the lowest seq that a user with these memberships may read as of
// head; 0 for a non-member.
func (h *history) floor(memberships []membership, head int64) int64 {
	for _, s := range memberships {
		if s.from <= head && head < s.to {
			if h.groupKind.sinceJoin {
				return s.from
			}
			return 1
		}
	}
	return 0
}

// check compares the floors in answers with the log, and messages without
// content with the recalls. It returns the number of different floors above 1,
// and of the answers that named one.
func (f *floors) check(h *history, memberships map[string][]membership) (floors, answers int64, found []Breach) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for l, seen := range f.floorViews[h.id] {
		if l.floor > 1 {
			floors, answers = floors+1, answers+seen.times
		}
		b := Breach{ConversationID: h.id, Seq: l.floor, Client: seen.first, At: seen.at}
		for _, head := range []int64{seen.least, seen.most} {
			if b.Invariant, b.Text = h.misplaced(l.floor, head, memberships[l.user]); b.Text != "" {
				found = append(found, b)
				break
			}
		}
	}
	for seq, client := range f.erasures[h.id] {
		if !h.erased(seq) {
			found = append(found, Breach{Invariant: "I5", ConversationID: h.id, Seq: seq, Client: client, Text: withheld})
		}
	}
	return floors, answers, append(found, h.checkReach(memberships)...)
}

const withheld = "came without its content, although the reader may read it, and it was not recalled"

// misplaced returns what is wrong with a floor that was given as of head, or "".
func (h *history) misplaced(floor, head int64, memberships []membership) (invariant, text string) {
	want := h.floor(memberships, head)
	switch {
	case !h.groupKind.sinceJoin && floor == 1:
		return "", "" // one floor for all memberships
	case want == 0:
		return "I8", fmt.Sprintf("a non-member read from %d on, as of head %d", floor, head)
	case floor < want:
		return "I8", fmt.Sprintf("read from %d on, with the head %d: the floor is %d", floor, head, want)
	case floor > want:
		return "I6", fmt.Sprintf("read from %d on only, with the head %d: the floor is %d", floor, head, want)
	}
	return "", ""
}

// erased reports whether the log has a message without its content.
func (h *history) erased(seq int64) bool {
	e := h.at(seq)
	return e != nil && e.digest.erased()
}

// checkReach checks that no user changed, or replied to, a message below their
// floor.
func (h *history) checkReach(memberships map[string][]membership) []Breach {
	var found []Breach
	for i := range h.entries {
		e := &h.entries[i]
		target := e.target
		if e.kind == posted {
			target = e.reply
		}
		if floor := h.floor(memberships[e.sender], e.seq); target > 0 && target < floor {
			found = append(found, Breach{
				Invariant: "I8", ConversationID: h.id, Seq: e.seq, ClientMsgID: e.clientMsgID, Client: e.sender, At: e.at,
				Text: fmt.Sprintf("%s is about %d, which lies below the floor of its sender, %d", e.kind, target, floor),
			})
		}
	}
	return found
}

// checkContent checks the content of the pushes of one span. Edits of messages
// below the floor have none. Everything else has content unless it was recalled.
func (t *pushSpan) checkContent(h *history, memberships []membership, say func(invariant string, seq int64, text string, args ...any)) {
	for _, p := range t.contentChecks {
		switch floor := h.floor(memberships, p.seq); {
		case floor == 0:
		case p.target < floor && !p.withoutContent:
			say("I8", p.seq, "pushed with its content, an edit of %d, which lies below the floor, %d", p.target, floor)
		case p.target >= floor && p.withoutContent && !h.erased(p.seq):
			say("I5", p.seq, withheld)
		}
	}
}
