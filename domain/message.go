package domain

import (
	"encoding/json"
	"maps"
	"slices"
)

// MessageState is what decisions need of a message. A MessageQuery says which parts
// are loaded.
type MessageState struct {
	Seq      int64 // of its message.posted
	Sender   UserID
	Content  json.RawMessage // current; null after a recall
	Mentions []UserID        // current, in the order in which they were sent
	Recalled bool
	// Revision is the seq of the last edit or the recall, and the message's own seq if
	// there is none. An append names the revision that was decided on.
	Revision int64
	// Emojis are the different emojis on the message, of all users.
	Emojis []string
	// Reactions has the reactions that were queried and exist.
	Reactions map[Reactor]bool
}

// Reactor is a user and the emoji of a reaction.
type Reactor struct {
	User  UserID
	Emoji string
}

// LoadMessage gives a message to the decisions on this copy of the state. It copies m,
// because tentative decisions change it.
func (c *Conversation) LoadMessage(m *MessageState) {
	if c.messages == nil {
		c.messages = map[int64]*MessageState{}
	}
	loaded := *m
	loaded.Reactions = maps.Clone(m.Reactions)
	if loaded.Reactions == nil {
		loaded.Reactions = map[Reactor]bool{}
	}
	c.messages[m.Seq] = &loaded
}

// apply changes the state by an event whose target is the message.
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
		delete(m.Reactions, Reactor{d.Sender, d.Emoji}) // Emojis keeps it: another user may have reacted with the same one
	}
}

// Edit is a request to change a message.
type Edit struct {
	Content  json.RawMessage // the whole new content
	Mentions []UserID        // nil keeps the mentions, an empty list removes them
}

// messageBase is the commandBase of commands on one message.
type messageBase struct {
	commandBase
	seq int64
}

func (b messageBase) MessageQuery() MessageQuery { return MessageQuery{Seq: b.seq} }

// message returns the actor's role and the message. It is ErrNotFound if there is no
// such message, and if the actor may not read it: a user who is not a member, or a member
// with a higher floor.
func (b messageBase) message(conv *Conversation) (Role, *MessageState, error) {
	role, err := conv.role(b.actor)
	if err != nil {
		return "", nil, err
	}
	m := conv.messages[b.seq]
	if m == nil || b.seq < conv.floor(b.actor) {
		return "", nil, ErrNotFound
	}
	return role, m, nil
}

func (b messageBase) event(t EventType, body any) (Draft, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return Draft{}, ErrInternal.WithCause(err)
	}
	return Draft{Type: t, Sender: b.actor.User, Body: text, Target: b.seq}, nil
}

var errRecalled = ErrConflict.WithMessage("the message was recalled")
