package verify

import (
	"fmt"
	"slices"
)

// message is the current state of a message.
type message struct {
	seq      int64
	sender   string
	content  uint64
	mentions []string
	recalled bool
	erased   bool // content and mentions are erased: it was recalled, perhaps after head
}

// messages folds a log up to head.
func (h *history) messages(head int64) []message {
	var list []message
	at := map[int64]int{}
	for i := range h.entries {
		e := &h.entries[i]
		if e.seq > head {
			break
		}
		switch n, known := at[e.target]; {
		case e.kind == posted:
			at[e.seq] = len(list)
			list = append(list, message{seq: e.seq, sender: e.sender, content: e.content, mentions: e.mentions, erased: e.digest.erased()})
		case !known:
		case e.kind == edited:
			list[n].content, list[n].mentions = e.content, e.mentions
		case e.kind == recall:
			list[n].recalled = true
		}
	}
	return list
}

// recount counts a user's unread messages (rule 6).
func recount(list []message, user string, read int64) (unread, mention int64) {
	for i := range list {
		m := &list[i]
		if m.seq <= read || m.sender == user || m.recalled {
			continue
		}
		unread++
		if slices.Contains(m.mentions, user) || slices.Contains(m.mentions, "*") {
			mention++
		}
	}
	return unread, mention
}

// checkUnread compares the unread counts that users got with a recount of the
// log.
func checkUnread(h *history, memberships map[string][]membership, claims []claim, marks map[string]readMark) []Breach {
	var found []Breach
	folds := map[int64][]message{}
	for _, c := range claims {
		list, known := folds[c.head]
		if !known {
			list = h.messages(c.head)
			folds[c.head] = list
		}
		say := func(text string, args ...any) {
			found = append(found, Breach{Invariant: "unread", ConversationID: h.id, Seq: c.head, Client: c.client, Text: fmt.Sprintf(text, args...)})
		}
		least := leastRead(list, c.user, memberships[c.user], c.head)
		if c.early {
			if c.read < least {
				say("read_seq is %d, but must be %d at least", c.read, least)
			}
		} else if mark, ok := marks[c.user]; ok {
			most := max(least, mark.tried)
			if least = max(least, mark.answered); c.read < least || c.read > most {
				say("read_seq is %d, but must be %d to %d", c.read, least, most)
			}
		}
		unread, mention := recount(list, c.user, max(c.read, h.floor(memberships[c.user], c.head)-1))
		if c.unread != unread {
			say("unread_count is %d, a recount above read_seq %d gives %d", c.unread, c.read, unread)
		}
		if most := mention + c.recalledMentions(list); c.mention < mention || c.mention > most {
			say("mention_count is %d, a recount above read_seq %d gives %d", c.mention, c.read, mention)
		}
	}
	return found
}

// recalledMentions counts messages that were recalled after the answer. They may
// have mentioned the user, but the log no longer shows it.
func (c *claim) recalledMentions(list []message) (n int64) {
	for i := range list {
		if m := &list[i]; m.seq > c.read && m.sender != c.user && m.erased && !m.recalled {
			n++
		}
	}
	return n
}

// leastRead returns the minimum read position of a user up to head, by joining
// and by sending.
func leastRead(list []message, user string, memberships []membership, head int64) (read int64) {
	for _, s := range memberships {
		if s.from <= head {
			read = max(read, s.from)
		}
	}
	for i := range list {
		if list[i].sender == user {
			read = max(read, list[i].seq)
		}
	}
	return read
}
