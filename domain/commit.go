package domain

import (
	"context"
	"encoding/json"
)

// Command is a request for a change of one conversation. Deciding is pure: the same
// state gives the same answer. So the log may decide again when another change was
// committed first.
type Command interface {
	// Target returns the conversation that the command is for.
	Target() ConversationID
	// Decide returns the events to append, or an error and none. No events and no
	// error means that the command changes nothing.
	Decide(*Conversation) ([]Draft, error)
	// Key returns the idempotency key of a posting; ok is false for other commands.
	Key() (key IdempotencyKey, ok bool)
	// Size estimates the bytes of memory that the command keeps in use.
	Size() int
}

// MessageCommand is a Command on one message. Before Decide, the log loads the message
// into the Conversation (LoadMessage), unless it does not exist. The log appends the
// decision only if the message still has the same revision: an edit that races a
// recall never restores content.
type MessageCommand interface {
	Command
	// MessageQuery returns which message Decide needs, and which parts of it.
	MessageQuery() MessageQuery
}

// MessageQuery names the parts of a MessageState that a command needs. Sender,
// Recalled and Revision are always loaded.
type MessageQuery struct {
	Seq     int64 // of the message
	Content bool  // load Content and Mentions
	// Emoji, if not "", loads Emojis, and in Reactions whether User has reacted with
	// this emoji.
	Emoji string
	User  UserID
}

// IdempotencyKey identifies a posting, together with its conversation: one key is one
// event, however often and to whichever node it is sent (I3). A key that is used again
// with another hash is ErrIdempotencyConflict.
type IdempotencyKey struct {
	Sender      UserID
	ClientMsgID string
	Hash        [32]byte // SHA-256 of the canonical form of the posting
}

// Draft is an event that is decided but not appended; the log assigns its seq and
// time. What projections need of the body is in separate fields, so that storing it
// takes no parsing. Fields that do not belong to Type are zero.
type Draft struct {
	Type   EventType
	Sender UserID
	Body   json.RawMessage // as it will be stored

	// Fields of message.posted:
	ClientMsgID string
	Hash        [32]byte     // see IdempotencyKey
	ReplyTo     int64        // seq of a message.posted of the conversation, which the log checks: ErrInvalid at /reply_to; 0 for none
	Mentions    []UserID     // sorted, without repetition; may hold Everyone; also of message.edited
	Attachment  AttachmentID // that the content names; zero: none; also of message.edited

	// Member is the member of member.added, member.removed and member.role_changed.
	Member MemberRole

	// Sanction is the body of member.banned, member.unbanned, member.muted and
	// member.unmuted.
	Sanction SanctionBody

	// Update is the body of conversation.updated.
	Update *UpdatedBody

	// Target is the seq of the message that an edit, a recall, a reaction or a pin is
	// of.
	Target int64
	Edit   *EditedBody // the body of message.edited
	Emoji  string      // of reaction.added and reaction.removed
}

// Outcome is the result of a command.
type Outcome struct {
	// Events are the events that were appended, ascending; none if the command
	// changed nothing. For a duplicate, it is the event that has the key.
	Events    []Event
	Duplicate bool // the key was used before, with the same hash
}

// NewConversation is the decision to create a conversation. Its event has seq 1.
type NewConversation struct {
	ID      ConversationID
	Creator UserID
	Created CreatedBody // body of the event
	// DirectKey is the key of a direct conversation, of which there is one for each
	// key (see DirectKey); "" for groups.
	DirectKey string
	// ClientConversationID is an idempotency key of the creator; "" for none.
	ClientConversationID string
	Hash                 [32]byte // SHA-256 of the canonical form of Created
}

// Log is the durable, ordered log of all conversations. Implementations promise:
// an event that was acknowledged is durable (I1), the seqs of a conversation are 1, 2,
// 3 … in the order of commit (I2), and one idempotency key is one event (I3).
type Log interface {
	// Submit queues a command and calls done exactly once, from a goroutine that
	// done must not block. Commands that one goroutine submits for one conversation
	// are committed in that order. If the queue is full, the answer is
	// ErrUnavailable, at once. If ctx ends while the command waits in the queue, it is
	// dropped with ErrUnavailable; once it is being written, ctx has no effect.
	Submit(ctx context.Context, cmd Command, done func(Outcome, error))

	// Create creates a conversation. If there is one with the same direct key, or
	// the same creator and client id, it returns that one and created is false. A
	// client id that was used with another hash is ErrIdempotencyConflict.
	Create(ctx context.Context, c NewConversation) (id ConversationID, created bool, err error)

	// FindAttachment returns an attachment, or ErrNotFound.
	FindAttachment(ctx context.Context, id AttachmentID) (Attachment, error)

	// FindDirect returns the direct conversation of a key, or ErrNotFound.
	FindDirect(ctx context.Context, key string) (ConversationID, error)
}

// Committed is what one transaction appended to one conversation.
type Committed struct {
	ConversationID ConversationID
	Events         []Event // ascending, without gaps
	// Audience is the union of the members before and after, ascending. It is nil if
	// there are more than MaxAudience members; then the commit goes to every node.
	Audience []UserID
	// Epoch is the epoch of the log; "" stands for the current one.
	Epoch string
	// Traces are the spans within which events were made, as W3C traceparents, by index in
	// Events; nil if no event is traced. They are not part of what was committed.
	Traces map[int]string
	// Remote says that another node committed it, and sent it to this one.
	Remote bool
}

// MaxAudience is the number of members up to which the nodes of a conversation's
// members are looked up in the registry. Commits of larger conversations go to every
// node.
const MaxAudience = 256
