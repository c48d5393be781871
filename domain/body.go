package domain

import "encoding/json"

// Kind is the kind of a conversation; it never changes.
type Kind string

// The kinds.
const (
	Direct Kind = "direct"
	Group  Kind = "group"
)

// Role is the role of a member in a group. In a direct conversation both users have
// RoleMember.
type Role string

// The roles. A group has exactly one owner, unless it has no members.
const (
	RoleOwner  Role = "owner"
	RoleAdmin  Role = "admin"
	RoleMember Role = "member"
)

// Moderates reports whether the role is that of the owner or an admin.
func (r Role) Moderates() bool { return r == RoleOwner || r == RoleAdmin }

// Settings are the rules of a conversation, which the owner and admins of a group may
// change.
type Settings struct {
	Posting  string `json:"posting"`  // who may post: everyone, admins (and the owner), nobody
	Joining  string `json:"joining"`  // how users become members: invite, open (by themselves)
	History  string `json:"history"`  // what members may read: all, since_join
	Receipts bool   `json:"receipts"` // whether members get receipt frames of others
	// SlowModeS is how many seconds the messages of a member must be apart. It is absent
	// if 0, as it was before there was slow mode: hashes of creations must not change.
	SlowModeS int `json:"slow_mode_s,omitempty"`
}

// The values of Settings.
const (
	PostingEveryone  = "everyone"
	PostingAdmins    = "admins"
	PostingNobody    = "nobody" // frozen: no user may post, edit or react
	JoiningInvite    = "invite"
	JoiningOpen      = "open"
	HistoryAll       = "all"
	HistorySinceJoin = "since_join"
)

// DefaultSettings returns the settings of a new conversation.
func DefaultSettings() Settings {
	return Settings{Posting: PostingEveryone, Joining: JoiningInvite, History: HistoryAll, Receipts: true}
}

// MemberRole is a member and a role. It is the body of member.added,
// member.removed (with the role at that time) and member.role_changed.
type MemberRole struct {
	UserID UserID `json:"user_id"`
	Role   Role   `json:"role"`
}

// CreatedBody is the body of conversation.created.
type CreatedBody struct {
	Kind      Kind            `json:"kind"`
	Title     *string         `json:"title"`      // nil: none
	AvatarURL *string         `json:"avatar_url"` // nil: none
	Settings  Settings        `json:"settings"`
	Metadata  json.RawMessage `json:"metadata"` // an object; nil: none
	Members   []MemberRole    `json:"members"`  // the creator first
}

// UpdatedBody is the body of conversation.updated. It holds only what changed. The
// order of the fields is that of the stored JSON: do not change it.
type UpdatedBody struct {
	AvatarURL Field[string]          `json:"avatar_url,omitzero"` // null: removed
	Metadata  Field[json.RawMessage] `json:"metadata,omitzero"`   // null: removed
	Settings  *Settings              `json:"settings,omitempty"`  // all settings; nil if none changed
	Title     Field[string]          `json:"title,omitzero"`      // null: removed
}

// PostedBody is the body of message.posted. A recall of the message leaves of it only
// ReplyTo and a Content of null.
type PostedBody struct {
	Content  json.RawMessage `json:"content"`            // the sender's bytes
	ReplyTo  int64           `json:"reply_to,omitempty"` // seq of a message; 0: none
	Mentions []UserID        `json:"mentions,omitempty"` // as they were sent; may hold Everyone
	Metadata json.RawMessage `json:"metadata,omitempty"` // the sender's bytes, an object; nil: none
}

// EditedBody is the body of message.edited: the whole message as it is after the
// edit. A recall of the message leaves of it only TargetSeq and a Content of null.
type EditedBody struct {
	TargetSeq int64           `json:"target_seq"`         // seq of the message
	Content   json.RawMessage `json:"content"`            // the editor's bytes
	Mentions  []UserID        `json:"mentions,omitempty"` // all of them, those that were kept too
}

// RecalledBody is the body of message.recalled.
type RecalledBody struct {
	TargetSeq int64  `json:"target_seq"`       // seq of the message, here and in the bodies below
	Reason    string `json:"reason,omitempty"` // for people, at most Limits.ReasonChars; "" for none
}

// ReactionBody is the body of reaction.added and reaction.removed. Emoji is normalized
// (NormalizeEmoji); events that were written by earlier versions may hold U+FE0F.
type ReactionBody struct {
	TargetSeq int64  `json:"target_seq"`
	Emoji     string `json:"emoji"`
}

// PinBody is the body of message.pinned and message.unpinned.
type PinBody struct {
	TargetSeq int64 `json:"target_seq"`
}
