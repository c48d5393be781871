package domain

import "encoding/json"

// Actor is on whose behalf something is asked.
type Actor struct {
	User UserID
	// Backend: the caller is a server token as itself. It needs no membership
	// and may do what an owner may.
	Backend bool
	// OnBehalf: a backend asks, for User and with the rights of User.
	OnBehalf bool
}

func (a Actor) isServer() bool { return a.Backend || a.OnBehalf }

// ConversationView is a conversation as one of its members sees it at HeadSeq.
type ConversationView struct {
	ConversationID ConversationID  `json:"conversation_id"`
	Kind           Kind            `json:"kind"`
	Title          *string         `json:"title"`
	AvatarURL      *string         `json:"avatar_url"`
	Settings       Settings        `json:"settings"`
	Metadata       json.RawMessage `json:"metadata"`
	CreatedAt      Time            `json:"created_at"`
	Role           Role            `json:"role"`
	Peer           UserID          `json:"peer,omitempty"`
	MemberCount    int             `json:"member_count"`
	HeadSeq        int64           `json:"head_seq"`
	FloorSeq       int64           `json:"floor_seq"`
	AckedSeq       int64           `json:"acked_seq"`
	ReadSeq        int64           `json:"read_seq"`
	UnreadCount    int64           `json:"unread_count"`
	MentionCount   int64           `json:"mention_count"`
	Preferences    Preferences     `json:"preferences"`
	LastMessage    *Message        `json:"last_message"`
	Events         []Event         `json:"events"`
	Limited        bool            `json:"limited"`

	// JoinedSeq is that of the member's latest joining; 0 for who is none.
	JoinedSeq int64 `json:"-"`
}

// OpenGroup is what everybody may know who knows the id of an open group.
type OpenGroup struct {
	ConversationID ConversationID `json:"conversation_id"`
	Title          *string        `json:"title"`
	AvatarURL      *string        `json:"avatar_url"`
	MemberCount    int            `json:"member_count"`
}

// Preferences are one user's own settings of one conversation.
type Preferences struct {
	Notify   string `json:"notify"` // all, mentions, none
	Pinned   bool   `json:"pinned"`
	Archived bool   `json:"archived"`
}

// DefaultPreferences returns those of a new member.
func DefaultPreferences() Preferences { return Preferences{Notify: "all"} }

// Message is a message as it stands at some head.
type Message struct {
	ConversationID ConversationID  `json:"conversation_id"`
	Seq            int64           `json:"seq"`
	Sender         UserID          `json:"sender"`
	ClientMsgID    string          `json:"client_msg_id"`
	At             Time            `json:"at"`
	Content        json.RawMessage `json:"content"`
	ReplyTo        int64           `json:"reply_to,omitempty"`
	Mentions       []UserID        `json:"mentions,omitempty"`
	Metadata       json.RawMessage `json:"metadata,omitempty"`
	EditedAt       *Time           `json:"edited_at,omitempty"`
	Recalled       bool            `json:"recalled"`
	Reactions      []Reaction      `json:"reactions"`
	Pinned         bool            `json:"pinned"`
}

// Reaction is how often one emoji was put on a message.
type Reaction struct {
	Emoji string `json:"emoji"`
	Count int    `json:"count"`
	Mine  bool   `json:"mine"`
}

// UserReaction is one user's reaction as lists show it.
type UserReaction struct {
	UserID UserID `json:"user_id"`
	Emoji  string `json:"emoji"`
	At     Time   `json:"at"`
}

// PinnedMessage is a message as lists of pins show it.
type PinnedMessage struct {
	Message
	PinnedBy UserID `json:"pinned_by"`
	PinnedAt Time   `json:"pinned_at"`
}

// MessageOf reads a message.posted event as the message that it is until
// something else changes it; one whose content was erased is recalled, whenever
// that happened.
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

// Edited makes of the message what the body of a message.edited at that time says.
func (m *Message) Edited(at Time, body json.RawMessage) error {
	var b EditedBody
	if err := json.Unmarshal(body, &b); err != nil {
		return ErrInternal.WithCause(err)
	}
	m.Content, m.Mentions, m.EditedAt = b.Content, b.Mentions, &at
	return nil
}

// Profile is what the app told of a user.
type Profile struct {
	Name      *string `json:"name"`
	AvatarURL *string `json:"avatar_url"`
}

// SyncQuery asks for a user's conversations: all, or what changed since a cursor.
type SyncQuery struct {
	User          UserID
	Device        DeviceID // "" if the caller has none: then AckedSeq is 0
	Cursor        string
	Limit         int // conversations, 1–Limits.SyncPage
	TimelineLimit int // newest events of each, 0–Limits.SyncTimeline
}

// SyncPage is one page of a sync, all as of one moment.
type SyncPage struct {
	Epoch         string             `json:"epoch"`
	Conversations []ConversationView `json:"conversations"`
	Removed       []ConversationID   `json:"removed"`
	Users         map[UserID]Profile `json:"users"`
	Cursor        string             `json:"cursor"`
	Done          bool               `json:"done"`
	UnreadTotal   *int64             `json:"unread_total,omitempty"` // when done
}

// Range selects events or messages by exactly one of its positions; with none,
// the newest. Nil means not given.
type Range struct {
	AfterSeq  *int64 // exclusive, ascending from there
	BeforeSeq *int64 // exclusive, the nearest below
	AroundSeq *int64 // inclusive, half of Limit each side; messages only
	AroundAt  *Time  // messages only
	Seqs      []int64
	Limit     int

	// Messages as they stood at a seq or a time, instead of now; at most one.
	AsOfSeq *int64 // beyond the head is the head
	AsOf    *Time
}

// EventPage is a stretch of a log.
type EventPage struct {
	ConversationID ConversationID     `json:"conversation_id"`
	Epoch          string             `json:"epoch"`
	Events         []Event            `json:"events"`
	FromSeq        int64              `json:"from_seq"`
	ToSeq          int64              `json:"to_seq"`
	HeadSeq        int64              `json:"head_seq"`
	FloorSeq       int64              `json:"floor_seq"`
	HasMore        bool               `json:"has_more"`
	Users          map[UserID]Profile `json:"users"`
}

// MessagePage is a stretch of messages as they stand at HeadSeq.
type MessagePage struct {
	Messages      []Message          `json:"messages"`
	HeadSeq       int64              `json:"head_seq"`
	FloorSeq      int64              `json:"floor_seq"`
	HasMoreBefore bool               `json:"has_more_before"`
	HasMoreAfter  bool               `json:"has_more_after"`
	Users         map[UserID]Profile `json:"users"`
}

// Member is one member as lists show one.
type Member struct {
	UserID    UserID `json:"user_id"`
	Role      Role   `json:"role"`
	JoinedSeq int64  `json:"joined_seq"`
}

// Page is one page of any other list.
type Page[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// ReadState is how far a user has read, and what is left.
type ReadState struct {
	ConversationID ConversationID `json:"conversation_id"`
	ReadSeq        int64          `json:"read_seq"`
	UnreadCount    int64          `json:"unread_count"`
	MentionCount   int64          `json:"mention_count"`
	UnreadTotal    int64          `json:"unread_total"`
}

// Ack says that a device of a user holds everything of a conversation up to Seq.
type Ack struct {
	User           UserID
	Device         DeviceID
	ConversationID ConversationID
	Seq            int64
}

// Membership is what a node has to know of a conversation to push to a user.
type Membership struct {
	ConversationID ConversationID
	HeadSeq        int64
	JoinedSeq      int64
	SinceJoin      bool // members read what came since they joined, as of HeadSeq
}
