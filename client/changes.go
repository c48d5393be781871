package client

import (
	"encoding/json"
	"slices"
)

// messageChange is the body of an event about a message, with the fields of all types.
type messageChange struct {
	TargetSeq int64           `json:"target_seq"`
	Content   json.RawMessage `json:"content"` // of an edit: nil if the user may not read the message, null once it is recalled
	Mentions  []UserID        `json:"mentions"`
	Emoji     string          `json:"emoji"`
}

// changeOf returns the body of an event about a message; ok is false for other events.
func changeOf(e *Event) (change messageChange, ok bool) {
	switch e.Type {
	case MessageEdited, MessageRecalled, ReactionAdded, ReactionRemoved, MessagePinned, MessageUnpinned:
		ok = json.Unmarshal(e.Body, &change) == nil
	}
	return change, ok
}

// isErased reports whether the content is one that a recall has erased.
func isErased(content json.RawMessage) bool { return string(content) == "null" }

// MessageAfter returns the message as it stands after an event about it: an edit, a
// recall, a reaction or a pin. Reactions of self, the client's user, are marked as Mine.
// If the event is not about the message, MessageAfter returns the message as it is, and
// ok is false.
//
// Pass the events that are newer than the message, in order: for one of Client.Messages,
// those above the HeadSeq of its page. A recalled message stays recalled.
func MessageAfter(m Message, e Event, self UserID) (after Message, ok bool) {
	change, ok := changeOf(&e)
	if !ok || change.TargetSeq != m.Seq || e.ConversationID != m.ConversationID {
		return m, false
	}
	switch e.Type {
	case MessageEdited:
		if change.Content == nil {
			return m, true
		}
		at := e.At
		m.EditedAt = &at
		if m.Recalled || isErased(change.Content) {
			return recalled(m), true
		}
		m.Content, m.Mentions = change.Content, change.Mentions
	case MessageRecalled:
		m = recalled(m)
	case ReactionAdded, ReactionRemoved:
		m.Reactions = reactionsAfter(m.Reactions, &e, change.Emoji, self)
	case MessagePinned, MessageUnpinned:
		m.Pinned = e.Type == MessagePinned
	}
	return m, true
}

func recalled(m Message) Message {
	m.Content, m.Mentions, m.Metadata, m.Recalled = json.RawMessage("null"), nil, nil, true
	return m
}

// reactionsAfter returns a copy of the reactions with the one of the event's sender added
// or removed.
func reactionsAfter(before []Reaction, e *Event, emoji string, self UserID) []Reaction {
	after := append([]Reaction{}, before...)
	i := slices.IndexFunc(after, func(r Reaction) bool { return r.Emoji == emoji })
	switch {
	case e.Type == ReactionAdded && i < 0:
		after = append(after, Reaction{Emoji: emoji, Count: 1, Mine: e.Sender == self})
	case e.Type == ReactionAdded:
		after[i].Count++
		after[i].Mine = after[i].Mine || e.Sender == self
	case i >= 0 && after[i].Count == 1:
		after = slices.Delete(after, i, i+1)
	case i >= 0:
		after[i].Count--
		after[i].Mine = after[i].Mine && e.Sender != self
	}
	return after
}
