package domain

import "encoding/json"

// Actor is the user or backend that makes a request.
type Actor struct {
	User UserID // for a backend as itself, the user id of its token
	// Backend is set for a server token that acts as itself. It needs no membership
	// and has the rights of an owner.
	Backend bool
	// OnBehalf is set for a server token that acts for User, with the rights of User.
	OnBehalf bool
}

// isServer reports whether the request came with a server token.
func (a Actor) isServer() bool { return a.Backend || a.OnBehalf }

// ConversationView is a conversation at HeadSeq as a member sees it. A backend that is
// not a member gets one too: with the role of an owner, and everything read.
type ConversationView struct {
	ConversationID ConversationID  `json:"conversation_id"`
	Kind           Kind            `json:"kind"`
	Title          *string         `json:"title"`      // nil: none
	AvatarURL      *string         `json:"avatar_url"` // nil: none
	Settings       Settings        `json:"settings"`
	Metadata       json.RawMessage `json:"metadata"` // an object, null or nil
	CreatedAt      Time            `json:"created_at"`
	ActiveAt       Time            `json:"active_at"`      // of the newest message, or of the member's latest joining; lists are in its order
	Role           Role            `json:"role"`           // of the member; owner for a backend
	Peer           UserID          `json:"peer,omitempty"` // the other user of a direct conversation; "" for groups
	MemberCount    int             `json:"member_count"`   // current members
	HeadSeq        int64           `json:"head_seq"`       // seq of the last event
	FloorSeq       int64           `json:"floor_seq"`      // lowest seq that the member may read
	AckedSeq       int64           `json:"acked_seq"`      // highest seq that the asking device has acknowledged; 0: none
	ReadSeq        int64           `json:"read_seq"`       // highest seq that the member has read; 0: none
	UnreadCount    int64           `json:"unread_count"`   // messages of others above ReadSeq, without recalled ones
	MentionCount   int64           `json:"mention_count"`  // those of them that mention the member or everyone
	Preferences    Preferences     `json:"preferences"`
	LastMessage    *Message        `json:"last_message"` // nil: none that the member may read
	Events         []Event         `json:"events"`       // the newest events that were asked for, ascending
	Limited        bool            `json:"limited"`      // Events leaves out older events that the device has not acknowledged

	// JoinedSeq is the seq of the member's latest joining; 0 without a membership.
	JoinedSeq int64 `json:"-"`
}

// OpenGroup is the part of an open group that users who are not members may see.
type OpenGroup struct {
	ConversationID ConversationID `json:"conversation_id"`
	Title          *string        `json:"title"`      // nil: none
	AvatarURL      *string        `json:"avatar_url"` // nil: none
	MemberCount    int            `json:"member_count"`
}

// Preferences are a user's own settings for a conversation.
type Preferences struct {
	Notify   string `json:"notify"`   // which messages the app should notify of: all, mentions, none
	Pinned   bool   `json:"pinned"`   // at the top of the user's list
	Archived bool   `json:"archived"` // out of the user's list
}

// DefaultPreferences returns the preferences of a new member.
func DefaultPreferences() Preferences { return Preferences{Notify: "all"} }

// Message is a message with all its changes up to some head.
type Message struct {
	ConversationID ConversationID  `json:"conversation_id"`
	Seq            int64           `json:"seq"` // of its message.posted
	Sender         UserID          `json:"sender"`
	ClientMsgID    string          `json:"client_msg_id"`
	At             Time            `json:"at"`                  // when it was posted
	Content        json.RawMessage `json:"content"`             // after the last edit; null after a recall
	ReplyTo        int64           `json:"reply_to,omitempty"`  // seq of the quoted message; 0: none
	Mentions       []UserID        `json:"mentions,omitempty"`  // after the last edit; may hold Everyone
	Metadata       json.RawMessage `json:"metadata,omitempty"`  // nil: none
	EditedAt       *Time           `json:"edited_at,omitempty"` // of the last edit; nil: not edited
	Recalled       bool            `json:"recalled"`
	Reactions      []Reaction      `json:"reactions"`
	Pinned         bool            `json:"pinned"` // for everyone, by a message.pinned
}

// Reaction counts the reactions to a message with one emoji.
type Reaction struct {
	Emoji string `json:"emoji"`
	Count int    `json:"count"` // users
	Mine  bool   `json:"mine"`  // the reading user's reaction is among them
}

// UserReaction is the reaction of one user.
type UserReaction struct {
	UserID UserID `json:"user_id"`
	Emoji  string `json:"emoji"`
	At     Time   `json:"at"`
}

// PinnedMessage is a message in the list of pins.
type PinnedMessage struct {
	Message
	PinnedBy UserID `json:"pinned_by"` // sender of the message.pinned
	PinnedAt Time   `json:"pinned_at"`
}

// MessageOf returns the message of a message.posted event, before any later event
// changes it. A recall erases the content of the event, so the message is marked as
// recalled if there is none. The error is ErrInternal if the body cannot be read.
func MessageOf(e *Event) (Message, error) {
	var body PostedBody
	if err := json.Unmarshal(e.Body, &body); err != nil {
		return Message{}, ErrInternal.WithCause(err)
	}
	return Message{
		ConversationID: e.ConversationID, Seq: e.Seq, Sender: e.Sender, ClientMsgID: e.ClientMsgID, At: e.At,
		Content: body.Content, ReplyTo: body.ReplyTo, Mentions: body.Mentions, Metadata: body.Metadata,
		Recalled: string(body.Content) == "null", Reactions: []Reaction{},
	}, nil
}

// Edited changes the message as a message.edited with this time and body does. The
// error is ErrInternal if the body cannot be read.
func (m *Message) Edited(at Time, body json.RawMessage) error {
	var b EditedBody
	if err := json.Unmarshal(body, &b); err != nil {
		return ErrInternal.WithCause(err)
	}
	m.Content, m.Mentions, m.EditedAt = b.Content, b.Mentions, &at
	return nil
}

// Profile is what clients show of a user. It comes from the app, by REST or in the
// claims of tokens.
type Profile struct {
	Name      *string `json:"name"`       // nil: none
	AvatarURL *string `json:"avatar_url"` // nil: none
}

// SyncQuery asks for the conversations of a user: all of them, or those that changed
// since a cursor.
type SyncQuery struct {
	User          UserID
	Device        DeviceID // for AckedSeq and Limited; "": the caller has none
	Cursor        string   // of the page before or the last sync; "": all conversations
	Limit         int      // conversations, 1 to Limits.SyncPage
	TimelineLimit int      // newest events of each conversation, 0 to Limits.SyncTimeline
}

// SyncPage is a page of a sync, read at one moment.
type SyncPage struct {
	Epoch         string             `json:"epoch"`                  // of the log; seqs and cursors of another epoch are void
	Conversations []ConversationView `json:"conversations"`          // newest activity first, in a full sync
	Removed       []ConversationID   `json:"removed"`                // those that the user is no longer a member of
	Users         map[UserID]Profile `json:"users"`                  // of the users that the page refers to
	Cursor        string             `json:"cursor"`                 // for the next page or, when Done, the next sync
	Done          bool               `json:"done"`                   // it is the last page
	UnreadTotal   *int64             `json:"unread_total,omitempty"` // of all conversations; nil unless Done
}

// Range selects events or messages by a position. At most one of the first five fields
// is set. If none is, the range is the newest items. Nil means not set.
type Range struct {
	AfterSeq  *int64  // exclusive: the next ones above it
	BeforeSeq *int64  // exclusive: the nearest ones below it
	AroundSeq *int64  // inclusive, half of Limit on each side; messages only
	AroundAt  *Time   // as AroundSeq, by time; messages only
	Seqs      []int64 // exactly these; messages only
	Limit     int     // items

	// AsOfSeq or AsOf selects the state of messages at a past seq or time, instead of
	// the present one; at most one of them is set.
	AsOfSeq *int64 // inclusive; a seq beyond the head stands for the head
	AsOf    *Time  // inclusive
}

// EventPage is a range of the events of a conversation, ascending.
type EventPage struct {
	ConversationID ConversationID     `json:"conversation_id"`
	Epoch          string             `json:"epoch"` // of the log, see SyncPage
	Events         []Event            `json:"events"`
	FromSeq        int64              `json:"from_seq"`  // seq of the first event; 0 for an empty page
	ToSeq          int64              `json:"to_seq"`    // seq of the last event; 0 for an empty page
	HeadSeq        int64              `json:"head_seq"`  // seq of the conversation's last event
	FloorSeq       int64              `json:"floor_seq"` // lowest seq that the reader may read
	HasMore        bool               `json:"has_more"`  // there are more events in the direction of the query
	Users          map[UserID]Profile `json:"users"`     // of the users that the page refers to
}

// MessagePage is a range of the messages of a conversation, ascending, as they are at
// HeadSeq.
type MessagePage struct {
	Messages      []Message          `json:"messages"`
	HeadSeq       int64              `json:"head_seq"`        // seq of the last event, at most that of AsOf or AsOfSeq
	FloorSeq      int64              `json:"floor_seq"`       // lowest seq that the reader may read
	HasMoreBefore bool               `json:"has_more_before"` // there are older messages that the reader may read
	HasMoreAfter  bool               `json:"has_more_after"`  // there are newer messages, up to HeadSeq
	Users         map[UserID]Profile `json:"users"`           // of the users that the page refers to
}

// Member is a member in the list of members.
type Member struct {
	UserID    UserID `json:"user_id"`
	Role      Role   `json:"role"`
	JoinedSeq int64  `json:"joined_seq"` // seq of the latest joining
}

// Page is a page of any other list.
type Page[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"` // nil: the last page
}

// ReadState is the read position of a user, with the counts that depend on it.
type ReadState struct {
	ConversationID ConversationID `json:"conversation_id"`
	ReadSeq        int64          `json:"read_seq"`      // highest seq that the user has read
	UnreadCount    int64          `json:"unread_count"`  // see ConversationView
	MentionCount   int64          `json:"mention_count"` // see ConversationView
	UnreadTotal    int64          `json:"unread_total"`  // of all conversations of the user
}

// Ack acknowledges that a device of a user has stored all events of a conversation up
// to Seq.
type Ack struct {
	User           UserID
	Device         DeviceID
	ConversationID ConversationID
	Seq            int64
}

// Membership is what a node needs of a conversation to push its events to a user.
type Membership struct {
	ConversationID ConversationID
	HeadSeq        int64 // seq of the last event
	JoinedSeq      int64 // seq of the user's latest joining
	SinceJoin      bool  // Settings.History is HistorySinceJoin, as of HeadSeq
}
