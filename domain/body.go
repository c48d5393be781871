package domain

import "encoding/json"

// Kind is the kind of a conversation; it never changes.
type Kind string

// The kinds.
const (
	Direct Kind = "direct"
	Group  Kind = "group"
)

// Role is what a member is in a group. In a direct conversation both are members.
type Role string

// The roles. A group that has members has exactly one owner.
const (
	RoleOwner  Role = "owner"
	RoleAdmin  Role = "admin"
	RoleMember Role = "member"
)

// Moderates tells whether the role may do what plain members may not.
func (r Role) Moderates() bool { return r == RoleOwner || r == RoleAdmin }

// Settings are the rules of a conversation.
type Settings struct {
	Posting  string `json:"posting"` // everyone, admins
	Joining  string `json:"joining"` // invite, open
	History  string `json:"history"` // all, since_join
	Receipts bool   `json:"receipts"`
}

// Values of Settings.
const (
	PostingEveryone  = "everyone"
	PostingAdmins    = "admins"
	JoiningInvite    = "invite"
	JoiningOpen      = "open"
	HistoryAll       = "all"
	HistorySinceJoin = "since_join"
)

// DefaultSettings returns the settings of a new conversation.
func DefaultSettings() Settings {
	return Settings{Posting: PostingEveryone, Joining: JoiningInvite, History: HistoryAll, Receipts: true}
}

// MemberRole is a member as event bodies name one.
type MemberRole struct {
	UserID UserID `json:"user_id"`
	Role   Role   `json:"role"`
}

// CreatedBody is the body of conversation.created.
type CreatedBody struct {
	Kind      Kind            `json:"kind"`
	Title     *string         `json:"title"`
	AvatarURL *string         `json:"avatar_url"`
	Settings  Settings        `json:"settings"`
	Metadata  json.RawMessage `json:"metadata"`
	Members   []MemberRole    `json:"members"`
}

// UpdatedBody is the body of conversation.updated: what changed, and nothing else.
// Its fields are in the order in which they are stored.
type UpdatedBody struct {
	AvatarURL Field[string]          `json:"avatar_url,omitzero"`
	Metadata  Field[json.RawMessage] `json:"metadata,omitzero"`
	Settings  *Settings              `json:"settings,omitempty"` // all of them; nil if none changed
	Title     Field[string]          `json:"title,omitzero"`
}

// PostedBody is the body of message.posted. Content and metadata are the
// sender's bytes; content is null once the message was recalled.
type PostedBody struct {
	Content  json.RawMessage `json:"content"`
	ReplyTo  int64           `json:"reply_to,omitempty"`
	Mentions []UserID        `json:"mentions,omitempty"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

// EditedBody is the body of message.edited: the message as it stands from then
// on, so mentions that were kept are there too. Content is null once the message
// was recalled.
type EditedBody struct {
	TargetSeq int64           `json:"target_seq"`
	Content   json.RawMessage `json:"content"`
	Mentions  []UserID        `json:"mentions,omitempty"`
}

// RecalledBody is the body of message.recalled.
type RecalledBody struct {
	TargetSeq int64  `json:"target_seq"`
	Reason    string `json:"reason,omitempty"`
}

// ReactionBody is the body of reaction.added and reaction.removed.
type ReactionBody struct {
	TargetSeq int64  `json:"target_seq"`
	Emoji     string `json:"emoji"`
}

// PinBody is the body of message.pinned and message.unpinned.
type PinBody struct {
	TargetSeq int64 `json:"target_seq"`
}
