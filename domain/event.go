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
	MessagePosted       EventType = "message.posted"
	MessageEdited       EventType = "message.edited"
	MessageRecalled     EventType = "message.recalled"
	ReactionAdded       EventType = "reaction.added"
	ReactionRemoved     EventType = "reaction.removed"
	MessagePinned       EventType = "message.pinned"
	MessageUnpinned     EventType = "message.unpinned"
)

// ChangesMembership tells whether somebody enters or leaves with the event.
func (t EventType) ChangesMembership() bool {
	return t == ConversationCreated || t == MemberAdded || t == MemberRemoved
}

// ChangesState tells whether decisions about anything in the conversation depend
// on the event: it moves the version. What changes one message only does not.
func (t EventType) ChangesState() bool {
	switch t {
	case MessagePosted, MessageEdited, MessageRecalled, ReactionAdded, ReactionRemoved:
		return false
	default:
		return true
	}
}

// Event is one durable change of one conversation, known by (conversation, seq).
// Seqs are 1, 2, 3 … without a hole, in the order of commit (I2).
type Event struct {
	ConversationID ConversationID
	Seq            int64
	Type           EventType
	Sender         UserID
	ClientMsgID    string // of message.posted only
	At             Time   // never earlier than that of a lower seq
	Body           json.RawMessage
}

// UnmarshalJSON implements json.Unmarshaler, for clients and tests.
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
