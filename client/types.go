package client

import (
	"encoding/json"

	"im/domain"
)

type (
	// ConversationID is a UUID. String and MarshalText return its text form,
	// ParseConversationID reads it.
	ConversationID = domain.ConversationID
	// AttachmentID is a UUID, the id of an uploaded file.
	AttachmentID = domain.AttachmentID
	// AttachmentUpload is how a file is uploaded.
	AttachmentUpload = domain.AttachmentUpload
	// AttachmentLink is where a file can be read for a short time.
	AttachmentLink = domain.AttachmentLink
	// UserID is the app's own id of a user.
	UserID = domain.UserID
	// Event is a durable change of a conversation, identified by (conversation, seq).
	Event = domain.Event
	// EventType is the type of an Event.
	EventType = domain.EventType
	// Message is a message as it stands now.
	Message = domain.Message
	// MessagePage is a range of messages, ascending.
	MessagePage = domain.MessagePage
	// FoundMessage is a message that a search found, with what matched in it.
	FoundMessage = domain.FoundMessage
	// PinnedMessage is a pinned message, with the pin's user and time.
	PinnedMessage = domain.PinnedMessage
	// Reaction counts the reactions to a message with one emoji.
	Reaction = domain.Reaction
	// UserReaction is one user's reaction to a message.
	UserReaction = domain.UserReaction
	// Conversation is a conversation as the user sees it at its HeadSeq.
	Conversation = domain.ConversationView
	// Kind is the kind of a conversation: KindDirect or KindGroup.
	Kind = domain.Kind
	// Settings are the settings of a group.
	Settings = domain.Settings
	// Member is a member of a conversation.
	Member = domain.Member
	// Role is the role of a member: RoleOwner, RoleAdmin or RoleMember.
	Role = domain.Role
	// Preferences are the user's own settings of a conversation.
	Preferences = domain.Preferences
	// ReadState is how far the user has read a conversation, and what is unread.
	ReadState = domain.ReadState
	// UserProfile is the profile of a user.
	UserProfile = domain.UserProfile
	// LiveSession is a live session of the user, on any node.
	LiveSession = domain.LiveSession
	// Block is a user that the client's user has blocked.
	Block = domain.Block
	// Limits are the limits of a server.
	Limits = domain.Limits
	// Time is a time in UTC, in microseconds.
	Time = domain.Time
)

// The event types, with the type of Event.Body.
const (
	ConversationCreated = domain.ConversationCreated // domain.CreatedBody
	ConversationUpdated = domain.ConversationUpdated // domain.UpdatedBody
	MemberAdded         = domain.MemberAdded         // domain.MemberRole
	MemberRemoved       = domain.MemberRemoved       // domain.MemberRole
	MemberRoleChanged   = domain.MemberRoleChanged   // domain.MemberRole
	MessagePosted       = domain.MessagePosted       // see MessageOf
	MessageEdited       = domain.MessageEdited       // domain.EditedBody
	MessageRecalled     = domain.MessageRecalled     // domain.RecalledBody
	ReactionAdded       = domain.ReactionAdded       // domain.ReactionBody
	ReactionRemoved     = domain.ReactionRemoved     // domain.ReactionBody
	MessagePinned       = domain.MessagePinned       // domain.PinBody
	MessageUnpinned     = domain.MessageUnpinned     // domain.PinBody
)

// The kinds of a conversation and the roles of its members.
const (
	KindDirect = domain.Direct
	KindGroup  = domain.Group

	RoleOwner  = domain.RoleOwner
	RoleAdmin  = domain.RoleAdmin
	RoleMember = domain.RoleMember
)

// ParseConversationID reads the text form of a ConversationID; ErrInvalid if it is
// not a UUID.
func ParseConversationID(text string) (ConversationID, error) {
	return domain.ParseConversationID("", text)
}

// Post is a message to be sent. Exactly one of ConversationID and To is set.
type Post struct {
	// ConversationID is the conversation to send to.
	ConversationID ConversationID
	// To is the other user of a direct conversation, which is created if it does not
	// exist.
	To UserID
	// Content is the content, a JSON object with a type, at most Limits.ContentBytes;
	// see Text.
	Content json.RawMessage
	// ReplyTo is the seq of the quoted message; 0 for none.
	ReplyTo int64
	// Mentions are the mentioned members. "*" mentions everyone; only owners and admins
	// of a group may.
	Mentions []UserID
	// Metadata is JSON of the app, at most Limits.MetadataBytes; nil for none.
	Metadata json.RawMessage
	// ClientMsgID identifies the message: sent again with the same id, it is the same
	// message. Empty means a random id. Set it to be able to send again after a restart.
	ClientMsgID string
}

// Sent is the place of a sent message in the log.
type Sent struct {
	ConversationID ConversationID // for Post.To, the direct conversation
	ClientMsgID    string         // that of the Post, or the random one
	Seq            int64          // identifies the message in its conversation
	At             Time           // the time of the commit
	Duplicate      bool           // the message had been committed before
}

// Text returns the content of a plain text message.
func Text(text string) json.RawMessage {
	content, err := json.Marshal(textContent{Type: "text", Text: text})
	if err != nil {
		return nil // cannot happen: strings marshal
	}
	return content
}

// TextOf returns the text of a content: that of a plain text, the caption of a
// picture or file; "" if it has none or the message was recalled.
func TextOf(content json.RawMessage) string {
	var c textContent
	if json.Unmarshal(content, &c) != nil {
		return ""
	}
	return c.Text
}

// MessageOf returns the message that an event posts; ok is false for events of other
// types.
func MessageOf(e Event) (m Message, ok bool) {
	if e.Type != MessagePosted {
		return Message{}, false
	}
	m, err := domain.MessageOf(&e)
	return m, err == nil
}

type textContent struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// Status is the state of the connection.
type Status struct {
	// State is where the connection is now.
	State State
	// Err is why the last connection ended; nil unless State is Offline.
	Err error
}

// State is the state of the connection.
type State int

// The states, in the order in which a connection passes through them.
const (
	Offline    State = iota // waiting to connect again
	Connecting              // opening a connection and saying hello
	Syncing                 // connected, and requesting what has changed
	Online                  // synced; events come as they happen
)

// String returns the state in lower case.
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
