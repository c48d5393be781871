package chat

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"im/client"
	"im/domain"
)

// entry is one line of a conversation: a message, or a note about its members.
type entry struct {
	seq    int64
	at     time.Time
	sender client.UserID // empty for a note
	text   string
	// message is what a later event changes; nil for a note. It is the message as it stood
	// at asOf.
	message *client.Message
	asOf    int64
}

// transcript is the part of one conversation that was loaded: by live events and by
// pages of history, which may overlap. It holds each seq once, in ascending order.
type transcript struct {
	self    client.UserID
	entries []entry
	// newAfter is the user's read position: later messages of others are marked as
	// new. 0 marks none.
	newAfter int64
	complete bool // the first entry is the first of the conversation
	loading  bool // a page of history has been requested
	// changes are the events about messages that came while the page was under way. It may
	// have been read before them.
	changes []client.Event
}

// addEvent takes an event as it happens: a new entry, or a change of one.
func (t *transcript) addEvent(e client.Event) {
	if !isChange(e) {
		t.add(entryOf(e))
		return
	}
	if t.loading {
		t.changes = append(t.changes, e)
	}
	t.change(e)
}

// addPage takes the page of history that was requested.
func (t *transcript) addPage(p client.MessagePage) {
	for _, m := range p.Messages {
		t.add(entryOfMessage(m, p.HeadSeq))
	}
	for _, e := range t.changes {
		t.change(e)
	}
	t.changes, t.loading = nil, false
	t.complete = t.complete || !p.HasMoreBefore
}

// add inserts e in order. It ignores an entry without a text, and one that is there
// already in the same or a later state.
func (t *transcript) add(e entry) {
	if e.text == "" {
		return
	}
	i, known := t.find(e.seq)
	switch {
	case !known:
		t.entries = slices.Insert(t.entries, i, e)
	case e.asOf > t.entries[i].asOf:
		t.entries[i] = e
	}
}

// change applies an edit or a recall to the message that it is about, if that is here in
// an earlier state.
func (t *transcript) change(e client.Event) {
	target, err := domain.TargetOf(&e)
	i, known := t.find(target)
	if err != nil || !known || t.entries[i].message == nil || e.Seq <= t.entries[i].asOf {
		return
	}
	if m, ok := client.MessageAfter(*t.entries[i].message, e, t.self); ok {
		t.entries[i] = entryOfMessage(m, e.Seq)
	}
}

func (t *transcript) find(seq int64) (i int, known bool) {
	return slices.BinarySearchFunc(t.entries, seq, func(x entry, seq int64) int { return cmp.Compare(x.seq, seq) })
}

// isChange reports whether the event changes a message in a way that a terminal shows.
func isChange(e client.Event) bool {
	return e.Type == client.MessageEdited || e.Type == client.MessageRecalled
}

// first returns the seq of the first entry, or 0.
func (t *transcript) first() int64 {
	if len(t.entries) == 0 {
		return 0
	}
	return t.entries[0].seq
}

// last returns the seq of the last entry, or 0.
func (t *transcript) last() int64 {
	if len(t.entries) == 0 {
		return 0
	}
	return t.entries[len(t.entries)-1].seq
}

// firstNew returns the index of the first new entry, or -1.
func (t *transcript) firstNew() int {
	if t.newAfter == 0 {
		return -1
	}
	return slices.IndexFunc(t.entries, func(e entry) bool {
		return e.seq > t.newAfter && e.sender != "" && e.sender != t.self
	})
}

func entryOf(e client.Event) entry {
	if m, ok := client.MessageOf(e); ok {
		return entryOfMessage(m, e.Seq)
	}
	return entry{seq: e.Seq, at: e.At.Time, text: noteOf(e)}
}

func entryOfMessage(m client.Message, asOf int64) entry {
	return entry{seq: m.Seq, at: m.At.Time, sender: m.Sender, text: textOf(m), message: &m, asOf: asOf}
}

const (
	deletedText = "message deleted"
	editedMark  = " (edited)"
)

// textOf returns the text of a message, with a mark if it was edited.
func textOf(m client.Message) string {
	text := clean(client.TextOf(m.Content))
	if m.Recalled {
		return deletedText
	}
	if text == "" {
		text = "(content that a terminal cannot show)"
	}
	if m.EditedAt != nil {
		text += editedMark
	}
	return text
}

// noteOf describes an event other than a message. It returns "" for an event
// that is not shown.
func noteOf(e client.Event) string {
	var member domain.MemberRole
	switch e.Type {
	case domain.ConversationCreated:
		return fmt.Sprintf("%s started the conversation", e.Sender)
	case domain.ConversationUpdated:
		return fmt.Sprintf("%s changed the conversation", e.Sender)
	case domain.MemberAdded, domain.MemberRemoved, domain.MemberRoleChanged:
		if json.Unmarshal(e.Body, &member) != nil {
			return ""
		}
	default:
		return ""
	}
	switch {
	case e.Type == domain.MemberRoleChanged:
		return fmt.Sprintf("%s made %s %s", e.Sender, member.UserID, member.Role)
	case e.Type == domain.MemberAdded && member.UserID == e.Sender:
		return fmt.Sprintf("%s joined", e.Sender)
	case e.Type == domain.MemberAdded:
		return fmt.Sprintf("%s added %s", e.Sender, member.UserID)
	case member.UserID == e.Sender:
		return fmt.Sprintf("%s left", e.Sender)
	default:
		return fmt.Sprintf("%s removed %s", e.Sender, member.UserID)
	}
}

// clean removes control characters and marks of text direction. Texts come from
// other users, who must not be able to control the terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return -1
		default:
			return r
		}
	}, strings.TrimSpace(text))
}
