package rest

import (
	"context"
	"net/http"
	"net/netip"

	"im/domain"
)

// Verifier tells whom a bearer token speaks for: domain.ErrTokenExpired for a
// token that was good, domain.ErrUnavailable if it cannot be judged now, else
// domain.ErrUnauthenticated.
type Verifier interface {
	Verify(ctx context.Context, raw string) (domain.Identity, error)
}

// Pace limits how often users and addresses do something.
type Pace interface {
	// Address returns where a request comes from; zero if nobody counts by it.
	Address(r *http.Request) netip.Prefix
	// Admit counts one activity, or fails with ErrRateLimited, which names the
	// delay. "" and the zero address are not counted.
	Admit(a domain.RateClass, user domain.UserID, from netip.Prefix) error
}

// Sender posts messages; done is called exactly once.
type Sender interface {
	Send(ctx context.Context, a domain.Actor, p domain.Post, done func(domain.Sent, error))
}

// Editor makes and changes conversations.
type Editor interface {
	Create(ctx context.Context, a domain.Actor, c domain.Creation) (id domain.ConversationID, created bool, err error)
	Update(ctx context.Context, a domain.Actor, id domain.ConversationID, c domain.Changes) ([]domain.Event, error)
}

// Moderator changes messages, and what hangs on them. No event: nothing changed.
type Moderator interface {
	EditMessage(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64, want domain.Edit) ([]domain.Event, error)
	RecallMessage(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64, reason string) ([]domain.Event, error)
	React(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64, emoji string) ([]domain.Event, error)
	Unreact(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64, emoji string) ([]domain.Event, error)
	Pin(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) ([]domain.Event, error)
	Unpin(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) ([]domain.Event, error)
}

// Membership changes who is in a conversation. No event: nothing changed.
type Membership interface {
	AddMembers(ctx context.Context, a domain.Actor, id domain.ConversationID, users []domain.UserID, as domain.Role) ([]domain.Event, error)
	PutMember(ctx context.Context, a domain.Actor, id domain.ConversationID, user domain.UserID, as domain.Role) ([]domain.Event, error)
	RemoveMember(ctx context.Context, a domain.Actor, id domain.ConversationID, user domain.UserID) ([]domain.Event, error)
}

// Conversations reads conversations as the actor sees them. What the actor may
// not see is domain.ErrNotFound, here and in History.
type Conversations interface {
	Conversation(ctx context.Context, a domain.Actor, id domain.ConversationID, d domain.DeviceID) (domain.ConversationView, error)
	// OpenGroup returns what everybody may know, and ErrNotFound of what is no open group.
	OpenGroup(ctx context.Context, id domain.ConversationID) (domain.OpenGroup, error)
	Conversations(ctx context.Context, a domain.Actor, d domain.DeviceID, cursor string, limit int) (domain.Page[domain.ConversationView], error)
	Members(ctx context.Context, a domain.Actor, id domain.ConversationID, cursor string, limit int) (domain.Page[domain.Member], error)
	Sync(ctx context.Context, q domain.SyncQuery) (domain.SyncPage, error)
}

// History reads events and messages.
type History interface {
	Events(ctx context.Context, a domain.Actor, id domain.ConversationID, r domain.Range) (domain.EventPage, error)
	Messages(ctx context.Context, a domain.Actor, id domain.ConversationID, r domain.Range) (domain.MessagePage, error)
	Message(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) (domain.Message, error)
	Reactions(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64, cursor string, limit int) (domain.Page[domain.UserReaction], error)
	Pins(ctx context.Context, a domain.Actor, id domain.ConversationID, cursor string, limit int) (domain.Page[domain.PinnedMessage], error)
}

// Positions moves what users have read and devices hold. MarkRead judges who
// asks; Acknowledge does not.
type Positions interface {
	MarkRead(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) (domain.ReadState, error)
	Acknowledge(ctx context.Context, acks []domain.Ack) error
}

// Signaller tells something to live sessions, at most once; it never blocks.
type Signaller interface {
	Signal(s domain.Signal)
}
