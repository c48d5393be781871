package client

import (
	"cmp"
	"slices"

	"im/domain"
)

// maxUnread is how many unread messages of a conversation the mirror knows one by one.
const maxUnread = 1000

// unread has the unread messages of a conversation that events have shown, because an
// edit or a recall names only the seq of its message. It covers the messages from first
// to last, as they stand at last: recalled ones, those of the user, and those that the
// user has read are not in it.
type unread struct {
	first, last int64           // 0: it covers nothing
	messages    []unreadMessage // ascending
}

type unreadMessage struct {
	seq       int64
	mentioned bool // it mentions the user
	// erased: it was pulled after its recall, which is still to come. The server counted
	// it until then, and whether as a mention is not known any more.
	erased bool
}

// countChange is what an event changes in the counts of unread messages.
type countChange struct {
	target           int64 // the message that an edit or a recall is about; 0 for other events
	unread, mentions int64 // to be added
	// unknown: the target may be unread, and is not covered or was erased.
	unknown bool
}

// apply takes the next event. read is the user's read position.
func (u *unread) apply(e *Event, self UserID, read int64) (c countChange) {
	if e.Seq != u.last+1 {
		*u = unread{first: e.Seq}
	}
	u.last = e.Seq
	switch e.Type {
	case domain.MessagePosted:
		return u.post(e, self, read)
	case domain.MessageEdited, domain.MessageRecalled:
		return u.change(e, self, read)
	}
	return countChange{}
}

func (u *unread) post(e *Event, self UserID, read int64) (c countChange) {
	m, ok := MessageOf(*e)
	if !ok || e.Sender == self || e.Seq <= read {
		return c
	}
	if len(u.messages) == maxUnread {
		u.first = u.messages[0].seq + 1
		u.messages = slices.Delete(u.messages, 0, 1)
	}
	message := unreadMessage{seq: e.Seq, mentioned: mentions(m.Mentions, self), erased: m.Recalled}
	u.messages = append(u.messages, message)
	if message.erased {
		return c
	}
	return countChange{unread: 1, mentions: asCount(message.mentioned)}
}

func (u *unread) change(e *Event, self UserID, read int64) (c countChange) {
	change, ok := changeOf(e)
	isEdit := e.Type == domain.MessageEdited
	if !ok || change.TargetSeq <= read || isEdit && change.Content == nil {
		return c
	}
	c.target = change.TargetSeq
	i, found := slices.BinarySearchFunc(u.messages, c.target, func(m unreadMessage, seq int64) int { return cmp.Compare(m.seq, seq) })
	switch {
	case c.target < u.first:
		c.unknown = true
	case !found:
	case !isEdit:
		c.unread, c.mentions = -1, -asCount(u.messages[i].mentioned)
		c.unknown = u.messages[i].erased
		u.messages = slices.Delete(u.messages, i, i+1)
	case isErased(change.Content):
		u.messages[i].erased = true
	default:
		mentioned := mentions(change.Mentions, self)
		c.mentions = asCount(mentioned) - asCount(u.messages[i].mentioned)
		c.unknown = u.messages[i].erased
		u.messages[i].mentioned = mentioned
	}
	return c
}

// read removes the messages up to seq.
func (u *unread) read(seq int64) {
	i := slices.IndexFunc(u.messages, func(m unreadMessage) bool { return m.seq > seq })
	if i < 0 {
		u.messages = nil
		return
	}
	u.messages = u.messages[i:]
}

// countAfter counts the messages above seq. ok is false if those up to head are not all
// known.
func (u *unread) countAfter(seq, head int64) (unread, mentions int64, ok bool) {
	ok = seq >= head || u.last == head && u.first <= seq+1
	for _, m := range u.messages {
		if m.seq > seq {
			unread++
			mentions += asCount(m.mentioned)
			ok = ok && !m.erased
		}
	}
	return unread, mentions, ok
}

// mentions reports whether users contain the user, or everyone.
func mentions(users []UserID, user UserID) bool {
	return slices.Contains(users, user) || slices.Contains(users, domain.Everyone)
}

func asCount(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
