package domain

import (
	"encoding/json"
	"maps"
	"slices"
)

// MessageState is what decisions need of a message that a command is about.
type MessageState struct {
	Seq      int64
	Sender   UserID
	Content  json.RawMessage // as it stands; null once it was recalled
	Mentions []UserID        // as they stand, in the order they were given
	Recalled bool
	// Revision is the seq of the last event that edited or recalled the message;
	// that of the message itself if none did. Who appends names the one that was
	// decided on.
	Revision int64
	// Emojis are the different ones on the message.
	Emojis []string
	// Reactions tells which of the reactions that were asked for are there.
	Reactions map[Reactor]bool
}

// Reactor is who reacts with what.
type Reactor struct {
	User  UserID
	Emoji string
}

// LoadMessage makes a message known to the decisions on this copy of the state. It
// is copied: decisions tentatively change it.
func (c *Conversation) LoadMessage(m *MessageState) {
	if c.messages == nil {
		c.messages = map[int64]*MessageState{}
	}
	considered := *m
	considered.Reactions = maps.Clone(m.Reactions)
	if considered.Reactions == nil {
		considered.Reactions = map[Reactor]bool{}
	}
	c.messages[m.Seq] = &considered
}

// apply moves the state by an event about the message.
func (m *MessageState) apply(d Draft, seq int64) {
	switch d.Type {
	case MessageEdited:
		m.Content, m.Mentions, m.Revision = d.Edit.Content, d.Edit.Mentions, seq
	case MessageRecalled:
		m.Content, m.Mentions, m.Recalled, m.Revision = json.RawMessage("null"), nil, true, seq
	case ReactionAdded:
		m.Reactions[Reactor{d.Sender, d.Emoji}] = true
		if !slices.Contains(m.Emojis, d.Emoji) {
			m.Emojis = append(slices.Clip(m.Emojis), d.Emoji)
		}
	case ReactionRemoved:
		delete(m.Reactions, Reactor{d.Sender, d.Emoji}) // others may have the same emoji there
	}
}

// Edit is what the author wants a message to be.
type Edit struct {
	Content  json.RawMessage
	Mentions []UserID // nil keeps those of the message, an empty list drops them
}

// about is what the commands about one message have in common.
type about struct {
	change
	seq int64
}

func (a about) MessageQuery() MessageQuery { return MessageQuery{Seq: a.seq} }

// message returns the actor's role and the message; ErrNotFound for who must not
// learn of it, and for a seq that is no message or lies below the actor's floor.
func (a about) message(conv *Conversation) (Role, *MessageState, error) {
	role, err := conv.role(a.actor)
	if err != nil {
		return "", nil, err
	}
	m := conv.messages[a.seq]
	if m == nil || a.seq < conv.floor(a.actor) {
		return "", nil, ErrNotFound
	}
	return role, m, nil
}

func (a about) event(t EventType, body any) (Draft, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return Draft{}, ErrInternal.WithCause(err)
	}
	return Draft{Type: t, Sender: a.actor.User, Body: text, Target: a.seq}, nil
}

var errRecalled = ErrConflict.WithMessage("the message was recalled")
