package client

import (
	"encoding/json"

	"im/domain"
)

type (
	// ConversationID is a UUID; String and MarshalText give its text form.
	ConversationID = domain.ConversationID
	// UserID is the app's own name of a user.
	UserID = domain.UserID
	// Event is one durable change of a conversation, known by (conversation, seq).
	Event = domain.Event
	// Message is a message as it stands now.
	Message = domain.Message
	// MessagePage is a stretch of messages, ascending.
	MessagePage = domain.MessagePage
	// Conversation is a conversation as the user sees it at its HeadSeq.
	Conversation = domain.ConversationView
	// ReadState is how far the user has read, and what is left.
	ReadState = domain.ReadState
	// Time is a moment in UTC, to the microsecond.
	Time = domain.Time

	// Error is a refusal by the server; errors.Is matches it by code, as in
	// errors.Is(err, domain.ErrNotFound).
	Error = domain.Error
)

// Post is a message to be sent, to ConversationID or else to the direct
// conversation with To, which is made at need.
type Post struct {
	ConversationID ConversationID
	To             UserID
	Content        json.RawMessage // see Text
	ReplyTo        int64           // a seq of the conversation; 0 for none
	Mentions       []UserID
	Metadata       json.RawMessage
	// ClientMsgID makes every sending of the message the same message. Empty
	// means a random one; give your own to send again after a restart.
	ClientMsgID string
}

// Sent is where a message stands in the log.
type Sent struct {
	ConversationID ConversationID
	ClientMsgID    string
	Seq            int64
	At             Time
	Duplicate      bool // it was there already
}

// Text returns a plain text as the content of a message.
func Text(text string) json.RawMessage {
	content, err := json.Marshal(textContent{Type: "text", Text: text})
	if err != nil {
		return nil // cannot happen: strings marshal
	}
	return content
}

// TextOf returns the text of a content: that of a plain text, the caption of a
// picture or file, "" if there is none or the message was recalled.
func TextOf(content json.RawMessage) string {
	var c textContent
	if json.Unmarshal(content, &c) != nil {
		return ""
	}
	return c.Text
}

// MessageOf returns the message that an event posts; ok is false for events of
// other types.
func MessageOf(e Event) (m Message, ok bool) {
	if e.Type != domain.MessagePosted {
		return Message{}, false
	}
	m, err := domain.MessageOf(&e)
	return m, err == nil
}

type textContent struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// Status is how the client stands to the server.
type Status struct {
	State State
	// Err is why the last connection ended, when Offline.
	Err error
}

// State is the state of the connection.
type State int

// The states, in the order in which a connection runs through them.
const (
	Offline    State = iota // waiting to connect again
	Connecting              // connecting and saying hello
	Syncing                 // connected, learning what changed meanwhile
	Online                  // everything known; pushes come as they happen
)

// String returns the state as a word for people.
func (s State) String() string {
	switch s {
	case Connecting:
		return "connecting"
	case Syncing:
		return "syncing"
	case Online:
		return "online"
	default:
		return "offline"
	}
}
