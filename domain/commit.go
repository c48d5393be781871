package domain

import (
	"context"
	"encoding/json"
)

// Command is something that somebody wants of one conversation. Deciding is
// pure: the same state gives the same answer, so a decision that a racing
// change overtook is simply taken anew.
type Command interface {
	// Target is the conversation that the command is for.
	Target() ConversationID
	// Decide returns the events to append: all of them or, with an error, none.
	// No event and no error: the command changes nothing.
	Decide(*Conversation) ([]Draft, error)
	// Key is the idempotency key of a posting; ok is false for other commands.
	Key() (key IdempotencyKey, ok bool)
	// Size is about how many bytes the command holds on to.
	Size() int
}

// MessageCommand is a Command about one message, which the log makes known to the
// Conversation that is decided on (LoadMessage), if there is one. What was decided is
// appended only while the message is as it was: an edit that races a recall never
// brings content back.
type MessageCommand interface {
	Command
	MessageQuery() MessageQuery
}

// MessageQuery is what has to be known of a message.
type MessageQuery struct {
	Seq     int64
	Content bool   // Content and Mentions are asked for
	User    UserID // with Emoji: whether it is this user's reaction already
	Emoji   string // "" asks for no reactions
}

// IdempotencyKey makes a posting the same posting, however often and wherever
// it is sent (I3). Hash is that of the canonical form of what was posted.
type IdempotencyKey struct {
	Sender      UserID
	ClientMsgID string
	Hash        [32]byte
}

// Draft is an event that has been decided on and not yet been appended: the log
// gives it its seq and time. What projections need of it stands beside the body,
// so that nobody parses JSON to store it.
type Draft struct {
	Type   EventType
	Sender UserID
	Body   json.RawMessage

	// Of message.posted:
	ClientMsgID string
	Hash        [32]byte
	ReplyTo     int64    // must name a message.posted of the conversation, else invalid at /reply_to; 0 for none
	Mentions    []UserID // without repetition; may hold Everyone

	// Of member.added, member.removed, member.role_changed:
	Member MemberRole

	// Of conversation.updated:
	Update *UpdatedBody

	// Of what changes a message: the seq of its message.posted. Mentions are those
	// after a message.edited.
	Target int64
	Edit   *EditedBody // of message.edited
	Emoji  string      // of reaction.added and reaction.removed
}

// Outcome is what became of a command.
type Outcome struct {
	// Events are those that the command made, ascending; of a duplicate, the
	// first event of its key; none if nothing changed.
	Events    []Event
	Duplicate bool
}

// NewConversation is the decision to create a conversation; its event is seq 1.
type NewConversation struct {
	ID      ConversationID
	Creator UserID
	Created CreatedBody
	// DirectKey is set for direct conversations only: there is one for each key.
	DirectKey string
	// ClientConversationID is the idempotency key for each creator; "" for none.
	ClientConversationID string
	Hash                 [32]byte
}

// Log is the durable, ordered log. Implementations promise I1–I3.
type Log interface {
	// Submit queues a command and calls done exactly once, from a goroutine that
	// must not be blocked. Commands that one goroutine submits for one
	// conversation are committed in that order. A full queue answers
	// ErrUnavailable at once. If ctx ends while the command still waits, it is
	// dropped with ErrUnavailable; once it is being written, its fate is awaited.
	Submit(ctx context.Context, cmd Command, done func(Outcome, error))

	// Create makes a conversation, or finds the one that has the direct key or
	// the creator's client id already; created tells which. A client id that was
	// used with another hash is ErrIdempotencyConflict.
	Create(ctx context.Context, c NewConversation) (id ConversationID, created bool, err error)

	// FindDirect returns the direct conversation of a key, or ErrNotFound.
	FindDirect(ctx context.Context, key string) (ConversationID, error)
}

// Committed is what one transaction appended to one conversation.
type Committed struct {
	ConversationID ConversationID
	Events         []Event // ascending, without a hole
	// Audience are the members before and after, together. Nil for a
	// conversation of more than MaxAudience: then every node has to be told.
	Audience []UserID
	// Epoch is the one that it was appended in; "" is whichever goes on.
	Epoch string
}

// MaxAudience is up to how many members a conversation's recipients are looked
// up one by one; larger ones are told to every node.
const MaxAudience = 256
