package rest

import (
	"context"
	"net/url"
	"time"

	"im/domain"
)

// Backend is what the operations are made of. All parts are required.
type Backend struct {
	Commands    Commands
	Reads       Reads
	UserData    UserData
	Positions   Positions
	Sessions    Sessions
	Endings     Endings
	Reports     Reports
	Webhooks    Webhooks
	Attachments Attachments
	Push        Push
	Presence    Presence
	Signals     Signals
}

// Commands changes conversations and messages. A change without an event
// changed nothing.
type Commands interface {
	// Send posts a message. It calls done exactly once.
	Send(ctx context.Context, a domain.Actor, p domain.Post, done func(domain.Sent, error))
	Create(ctx context.Context, a domain.Actor, c domain.Creation) (id domain.ConversationID, created bool, err error)
	Update(ctx context.Context, a domain.Actor, id domain.ConversationID, c domain.Changes) ([]domain.Event, error)

	AddMembers(ctx context.Context, a domain.Actor, id domain.ConversationID, users []domain.UserID, as domain.Role) ([]domain.Event, error)
	PutMember(ctx context.Context, a domain.Actor, id domain.ConversationID, user domain.UserID, as domain.Role) ([]domain.Event, error)
	RemoveMember(ctx context.Context, a domain.Actor, id domain.ConversationID, user domain.UserID) ([]domain.Event, error)

	EditMessage(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64, want domain.Edit) ([]domain.Event, error)
	RecallMessage(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64, reason string) ([]domain.Event, error)
	React(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64, emoji string) ([]domain.Event, error)
	Unreact(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64, emoji string) ([]domain.Event, error)
	Pin(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) ([]domain.Event, error)
	Unpin(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) ([]domain.Event, error)

	Ban(ctx context.Context, a domain.Actor, id domain.ConversationID, user domain.UserID, until *domain.Time, reason string) ([]domain.Event, error)
	Unban(ctx context.Context, a domain.Actor, id domain.ConversationID, user domain.UserID) ([]domain.Event, error)
	Mute(ctx context.Context, a domain.Actor, id domain.ConversationID, user domain.UserID, until *domain.Time) ([]domain.Event, error)
	Unmute(ctx context.Context, a domain.Actor, id domain.ConversationID, user domain.UserID) ([]domain.Event, error)
}

// Reads reads conversations, their messages and their log. What the actor may
// not see is domain.ErrNotFound.
type Reads interface {
	Conversation(ctx context.Context, a domain.Actor, id domain.ConversationID, d domain.DeviceID) (domain.ConversationView, error)
	// OpenGroup returns what users outside of an open group may see of it, and
	// domain.ErrNotFound for every other conversation.
	OpenGroup(ctx context.Context, id domain.ConversationID) (domain.OpenGroup, error)
	Conversations(ctx context.Context, a domain.Actor, d domain.DeviceID, cursor string, limit int) (domain.Page[domain.ConversationView], error)
	Sync(ctx context.Context, q domain.SyncQuery) (domain.SyncPage, error)
	Members(ctx context.Context, a domain.Actor, id domain.ConversationID, cursor string, limit int) (domain.Page[domain.Member], error)
	Receipts(ctx context.Context, a domain.Actor, id domain.ConversationID, cursor string, limit int) (domain.Page[domain.MemberReceipt], error)

	Events(ctx context.Context, a domain.Actor, id domain.ConversationID, r domain.Range) (domain.EventPage, error)
	Messages(ctx context.Context, a domain.Actor, id domain.ConversationID, r domain.Range) (domain.MessagePage, error)
	Message(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) (domain.Message, error)
	Reactions(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64, cursor string, limit int) (domain.Page[domain.UserReaction], error)
	Pins(ctx context.Context, a domain.Actor, id domain.ConversationID, cursor string, limit int) (domain.Page[domain.PinnedMessage], error)
	// Sanctions is domain.ErrForbidden for members who may not ban and mute.
	Sanctions(ctx context.Context, a domain.Actor, id domain.ConversationID, kind domain.SanctionKind, cursor string, limit int) (domain.Page[domain.ListedSanction], error)
	// SearchMessages searches the messages that the actor may read. It fails with
	// domain.ErrInvalid at /q if the text has no words.
	SearchMessages(ctx context.Context, a domain.Actor, q domain.SearchQuery) (domain.SearchPage, error)

	// Trace returns how far a message has been delivered, for any caller: the
	// caller's rights are checked before.
	Trace(ctx context.Context, id domain.ConversationID, seq int64, cursor string, limit int) (domain.Trace, error)
	// MessageCount returns how many messages were ever posted.
	MessageCount(ctx context.Context) (int64, error)
}

// UserData keeps profiles, preferences and blocks.
type UserData interface {
	// Users returns the profiles of those users that the actor shares a
	// conversation with.
	Users(ctx context.Context, a domain.Actor, users []domain.UserID) (map[domain.UserID]domain.UserProfile, error)
	PutProfile(ctx context.Context, user domain.UserID, p domain.UserProfile) error

	Preferences(ctx context.Context, a domain.Actor, id domain.ConversationID) (domain.Preferences, error)
	// SetPreferences changes the actor's own settings of a conversation; changed
	// reports whether they are different from before.
	SetPreferences(ctx context.Context, a domain.Actor, id domain.ConversationID, p domain.PreferencesPatch) (now domain.Preferences, changed bool, err error)

	// SetBlock is in effect on every node when it returns.
	SetBlock(ctx context.Context, by, user domain.UserID, on bool) error
	Blocks(ctx context.Context, by domain.UserID, cursor string, limit int) (domain.Page[domain.Block], error)
}

// Positions records what users have read and what devices have stored.
type Positions interface {
	// MarkRead fails with domain.ErrNotFound unless the actor is a member.
	MarkRead(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) (domain.ReadState, error)
	// Acknowledge does not check membership.
	Acknowledge(ctx context.Context, acks []domain.Ack) error
}

// Sessions knows the live sessions of the whole cluster.
type Sessions interface {
	SessionsOf(ctx context.Context, user domain.UserID) ([]domain.LiveSession, error)
	// SessionsOfEach has no entry for a user without sessions. The map is not nil
	// unless there is an error.
	SessionsOfEach(ctx context.Context, users []domain.UserID) (map[domain.UserID][]domain.LiveSession, error)
	ClusterStats(ctx context.Context) (domain.ClusterStats, error)
}

// Endings ends sessions durably: every node ends them within 2 s. Sending the
// returned signal as well makes it faster.
type Endings interface {
	EndSession(ctx context.Context, user domain.UserID, session domain.SessionID) (domain.EndSessions, error)
	EndSessions(ctx context.Context, user domain.UserID, code int) (domain.EndSessions, error)
	// Revoke makes tokens invalid that were issued before the returned time.
	Revoke(ctx context.Context, user domain.UserID) (before time.Time, err error)
	// BanUser makes all tokens of a user invalid until a time; nil: until UnbanUser. It
	// fails with domain.ErrInvalid at /until if that is not in the future.
	BanUser(ctx context.Context, user domain.UserID, until *domain.Time, reason string) error
	UnbanUser(ctx context.Context, user domain.UserID) error
}

// Reports keeps reports of messages.
type Reports interface {
	// Report fails with domain.ErrNotFound for a message that the actor may not read, and
	// with domain.ErrConflict for a recalled one. A second report changes nothing.
	Report(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64, r domain.NewReport) error
	// ListReports lists the reports in a state; "" for all.
	ListReports(ctx context.Context, state domain.ReportState, cursor string, limit int) (domain.Page[domain.Report], error)
	DecideReport(ctx context.Context, id string, state domain.ReportState) (domain.Report, error)
}

// Webhooks keeps webhooks, and reads the events of all conversations.
type Webhooks interface {
	// CreateWebhook returns the webhook with its secret.
	CreateWebhook(ctx context.Context, n domain.NewWebhook) (domain.Webhook, error)
	ListWebhooks(ctx context.Context, cursor string, limit int) (domain.Page[domain.Webhook], error)
	Webhook(ctx context.Context, id string) (domain.Webhook, error)
	UpdateWebhook(ctx context.Context, id string, p domain.WebhookPatch) (domain.Webhook, error)
	DeleteWebhook(ctx context.Context, id string) error
	// RotateWebhook returns the webhook with its new secret.
	RotateWebhook(ctx context.Context, id string) (domain.Webhook, error)
	// TestWebhook makes a call and returns its result.
	TestWebhook(ctx context.Context, id string) (domain.WebhookTest, error)
	ReplayWebhook(ctx context.Context, id string, r domain.WebhookReplay) error
	// WebhookDeliveries lists what was not taken, in a state; "" for all.
	WebhookDeliveries(ctx context.Context, id string, state domain.DeliveryState, cursor string, limit int) (domain.Page[domain.Delivery], error)
	// EventFeed returns the events after a cursor; from the beginning for "".
	EventFeed(ctx context.Context, cursor string, limit int) (domain.EventFeed, error)
}

// Attachments stores files. Base is the address of the node as the client sees it.
type Attachments interface {
	CreateAttachment(ctx context.Context, a domain.Actor, n domain.NewAttachment, base *url.URL) (domain.AttachmentUpload, error)
	// Attachment fails with domain.ErrNotFound unless the actor may read the file.
	Attachment(ctx context.Context, a domain.Actor, id domain.AttachmentID, base *url.URL) (domain.AttachmentLink, error)
}

// Push keeps how devices get push notifications.
type Push interface {
	// PutPush is domain.ErrUnavailable, not to be retried, for a provider that is not set up.
	PutPush(ctx context.Context, r domain.PushRegistration) error
	RemovePush(ctx context.Context, user domain.UserID, device domain.DeviceID) error
	// TestPush is domain.ErrNotFound for a device that is not registered.
	TestPush(ctx context.Context, user domain.UserID, device domain.DeviceID) (domain.PushTest, error)
	PushInfo() domain.PushInfo
}

// Presence answers who is online, as far as the actor may know.
type Presence interface {
	// Of returns one answer for each of the users, in their order.
	Of(ctx context.Context, a domain.Actor, users []domain.UserID) ([]domain.Presence, error)
}

// Signals sends frames to live sessions, at most once. It never blocks.
type Signals interface {
	Signal(s domain.Signal)
}

// Verifier checks bearer tokens and returns the identity in them. It fails with
// domain.ErrTokenExpired for a token that was valid before, with
// domain.ErrUnavailable if the token cannot be checked now, and otherwise with
// domain.ErrUnauthenticated.
type Verifier interface {
	Verify(ctx context.Context, raw string) (domain.Identity, error)
}
