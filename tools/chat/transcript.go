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
}

func (t *transcript) addEvent(e client.Event) { t.add(entryOf(e)) }

func (t *transcript) addPage(p client.MessagePage) {
	for _, m := range p.Messages {
		t.add(entryOfMessage(m))
	}
	t.complete = t.complete || !p.HasMoreBefore
}

// add inserts e in order. It ignores an entry without a text and one that is
// there already.
func (t *transcript) add(e entry) {
	if e.text == "" {
		return
	}
	i, known := slices.BinarySearchFunc(t.entries, e.seq, func(x entry, seq int64) int { return cmp.Compare(x.seq, seq) })
	if !known {
		t.entries = slices.Insert(t.entries, i, e)
	}
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
		return entryOfMessage(m)
	}
	return entry{seq: e.Seq, at: e.At.Time, text: noteOf(e)}
}

func entryOfMessage(m client.Message) entry {
	return entry{seq: m.Seq, at: m.At.Time, sender: m.Sender, text: textOf(m)}
}

func textOf(m client.Message) string {
	switch text := clean(client.TextOf(m.Content)); {
	case m.Recalled:
		return "(deleted)"
	case text != "":
		return text
	default:
		return "(content that a terminal cannot show)"
	}
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
