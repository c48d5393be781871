package domain

import "encoding/json"

// EventType names a kind of durable change.
type EventType string

// The event types of contract v1.
const (
	ConversationCreated EventType = "conversation.created"
	ConversationUpdated EventType = "conversation.updated"
	MemberAdded         EventType = "member.added"
	MemberRemoved       EventType = "member.removed"
	MemberRoleChanged   EventType = "member.role_changed"
	MemberBanned        EventType = "member.banned"
	MemberUnbanned      EventType = "member.unbanned"
	MemberMuted         EventType = "member.muted"
	MemberUnmuted       EventType = "member.unmuted"
	MessagePosted       EventType = "message.posted"
	MessageEdited       EventType = "message.edited"
	MessageRecalled     EventType = "message.recalled"
	ReactionAdded       EventType = "reaction.added"
	ReactionRemoved     EventType = "reaction.removed"
	MessagePinned       EventType = "message.pinned"
	MessageUnpinned     EventType = "message.unpinned"
)

// ChangesMembership reports whether an event of this type adds or removes members.
func (t EventType) ChangesMembership() bool {
	return t == ConversationCreated || t == MemberAdded || t == MemberRemoved
}

// ChangesState reports whether an event of this type changes the Conversation that
// commands are decided on, and with it the version. Postings, edits, recalls and
// reactions do not. Pins, bans and mutes do, and so do unknown types.
func (t EventType) ChangesState() bool {
	switch t {
	case MessagePosted, MessageEdited, MessageRecalled, ReactionAdded, ReactionRemoved:
		return false
	default:
		return true
	}
}

// Event is one durable change of one conversation, identified by conversation and
// seq. The seqs of a conversation are 1, 2, 3 … without gaps, in the order of commit
// (I2).
type Event struct {
	ConversationID ConversationID
	Seq            int64
	Type           EventType
	Sender         UserID          // the user who caused it, or the user id of a backend
	ClientMsgID    string          // idempotency key of a message.posted; "" for other types
	At             Time            // of the commit; never before that of a lower seq
	Body           json.RawMessage // one of the …Body types, or MemberRole, by Type
}

// UnmarshalJSON implements json.Unmarshaler.
func (e *Event) UnmarshalJSON(data []byte) error {
	var w struct {
		ConversationID ConversationID  `json:"conversation_id"`
		Seq            int64           `json:"seq"`
		Type           EventType       `json:"type"`
		Sender         UserID          `json:"sender"`
		ClientMsgID    string          `json:"client_msg_id"`
		At             Time            `json:"at"`
		Body           json.RawMessage `json:"body"`
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	*e = Event(w)
	return nil
}
