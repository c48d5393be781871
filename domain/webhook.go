package domain

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Bounds of webhooks.
const (
	MaxWebhooks             = 100  // of one installation
	MaxWebhookConversations = 1000 // that one webhook names
	webhookDescriptionChars = 200
)

// WebhookState says whether a webhook gets calls.
type WebhookState string

// The states of a webhook.
//
//	state    | what happens                                      | next
//	enabled  | events are sent                                   | disabled by a PATCH, or by the answer 410
//	disabled | events are owed, one row for each conversation    | enabled by a PATCH; all that is owed is sent then
const (
	WebhookEnabled  WebhookState = "enabled"
	WebhookDisabled WebhookState = "disabled"
)

// Check returns ErrInvalid, for /state, for an unknown state.
func (s WebhookState) Check() error {
	if s != WebhookEnabled && s != WebhookDisabled {
		return Invalid("/state", "must be enabled or disabled")
	}
	return nil
}

// Types of calls that are no events. A webhook gets them only if it names them.
const (
	MessageNotify EventType = "message.notify"
	ReportCreated EventType = "report.created"
)

// WebhookRecipients says who is named in a message.notify.
type WebhookRecipients string

// The recipients of a message.notify. Both follow from acknowledgements, not from presence.
const (
	RecipientsAll     WebhookRecipients = "all"     // users of whom some device has not acknowledged the message, or who have no device
	RecipientsOffline WebhookRecipients = "offline" // users of whom no device has acknowledged it
)

// Check returns ErrInvalid, for /recipients, for an unknown value.
func (r WebhookRecipients) Check() error {
	if r != RecipientsAll && r != RecipientsOffline {
		return Invalid("/recipients", "must be all or offline")
	}
	return nil
}

// webhookTypes are the types that a webhook may ask for.
var webhookTypes = map[EventType]bool{
	MessageNotify: true, ReportCreated: true,
	ConversationCreated: true, ConversationUpdated: true, MemberAdded: true, MemberRemoved: true, MemberRoleChanged: true,
	MemberBanned: true, MemberUnbanned: true, MemberMuted: true, MemberUnmuted: true, MessagePosted: true, MessageEdited: true,
	MessageRecalled: true, ReactionAdded: true, ReactionRemoved: true, MessagePinned: true, MessageUnpinned: true,
}

// NewWebhook is a request for a webhook.
type NewWebhook struct {
	URL             string
	Types           []EventType       // nil: all events
	ConversationIDs []ConversationID  // nil: all
	Recipients      WebhookRecipients // of message.notify; "": all
	// Since is the time of the first events that are sent; nil: those that are committed
	// from now on; the zero Time: all.
	Since       *Time
	Description string
	Secret      string // "": one is made
}

// Check returns ErrInvalid for a field that is not valid.
func (n NewWebhook) Check(limits Limits) error {
	if err := checkWebhookURL(n.URL, limits); err != nil {
		return err
	}
	if err := checkWebhookFilter(n.Types, n.ConversationIDs); err != nil {
		return err
	}
	if err := checkText("/description", &n.Description, webhookDescriptionChars); err != nil {
		return err
	}
	if n.Recipients != "" {
		if err := n.Recipients.Check(); err != nil {
			return err
		}
		if !slices.Contains(n.Types, MessageNotify) {
			return Invalid("/recipients", "is for webhooks whose types have message.notify")
		}
	}
	if n.Secret == "" {
		return nil
	}
	return CheckWebhookSecret(n.Secret)
}

func checkWebhookURL(text string, limits Limits) error {
	if err := checkText("/url", &text, limits.URLChars); err != nil {
		return err
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return Invalid("/url", "must be a URL")
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return Invalid("/url", "must begin with https:// or http:// and a host")
	case u.User != nil:
		return Invalid("/url", "must have no user and no password")
	case u.Fragment != "":
		return Invalid("/url", "must have no fragment")
	}
	return nil
}

func checkWebhookFilter(types []EventType, conversations []ConversationID) error {
	if types != nil && len(types) == 0 {
		return Invalid("/types", "must not be empty; leave it out for all types")
	}
	for i, t := range types {
		if !webhookTypes[t] {
			return Invalid("/types/"+strconv.Itoa(i), "is not a type of event that webhooks get")
		}
	}
	if conversations != nil && len(conversations) == 0 {
		return Invalid("/conversation_ids", "must not be empty; leave it out for all conversations")
	}
	if len(conversations) > MaxWebhookConversations {
		return Invalid("/conversation_ids", "must have at most "+strconv.Itoa(MaxWebhookConversations)+" items")
	}
	return nil
}

const (
	webhookSecretPrefix = "whsec_"
	minWebhookSecret    = 24 // bytes, as Standard Webhooks says
	maxWebhookSecret    = 64
)

// CheckWebhookSecret returns ErrInvalid, for /secret, unless it is the text form of a key.
func CheckWebhookSecret(secret string) error {
	text, prefixed := strings.CutPrefix(secret, webhookSecretPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !prefixed || err != nil || len(key) < minWebhookSecret || len(key) > maxWebhookSecret {
		return Invalid("/secret", "must be whsec_ and 24 to 64 bytes in base64")
	}
	return nil
}

// WebhookSecret returns the text form of a key of 24 to 64 bytes.
func WebhookSecret(key []byte) string {
	return webhookSecretPrefix + base64.StdEncoding.EncodeToString(key)
}

// WebhookPatch changes a webhook. Nil pointers and fields that are not set change nothing.
type WebhookPatch struct {
	URL             *string
	State           *WebhookState
	Recipients      *WebhookRecipients
	Types           Field[[]EventType]
	ConversationIDs Field[[]ConversationID]
	Description     Field[string]
}

// Check returns ErrInvalid for a field that is not valid.
func (p WebhookPatch) Check(limits Limits) error {
	if p.URL != nil {
		if err := checkWebhookURL(*p.URL, limits); err != nil {
			return err
		}
	}
	if p.State != nil {
		if err := p.State.Check(); err != nil {
			return err
		}
	}
	if p.Recipients != nil {
		if err := p.Recipients.Check(); err != nil {
			return err
		}
	}
	var types []EventType
	if p.Types.Value != nil {
		types = *p.Types.Value
	}
	var conversations []ConversationID
	if p.ConversationIDs.Value != nil {
		conversations = *p.ConversationIDs.Value
	}
	if err := checkWebhookFilter(types, conversations); err != nil {
		return err
	}
	return checkText("/description", p.Description.Value, webhookDescriptionChars)
}

// Webhook is a webhook as its owner sees it.
type Webhook struct {
	WebhookID       string            `json:"webhook_id"`
	URL             string            `json:"url"`
	Types           []EventType       `json:"types,omitempty"`            // none: all events
	ConversationIDs []ConversationID  `json:"conversation_ids,omitempty"` // none: all
	Recipients      WebhookRecipients `json:"recipients,omitempty"`       // "" unless Types has MessageNotify
	Description     string            `json:"description,omitempty"`
	State           WebhookState      `json:"state"`
	DisabledReason  string            `json:"disabled_reason,omitempty"`
	CreatedAt       Time              `json:"created_at"`
	Secret          string            `json:"secret,omitempty"` // only in the answers of the creation and of a rotation
}

// WebhookReplay is a request to send events again: those from a time on, or those of one
// conversation.
type WebhookReplay struct {
	Since          *Time
	ConversationID ConversationID // of AfterSeq
	AfterSeq       *int64
}

// Check returns ErrInvalid unless exactly one of the two is asked for.
func (r WebhookReplay) Check() error {
	one := r.AfterSeq != nil || !r.ConversationID.IsZero()
	switch {
	case r.Since == nil && !one, r.Since != nil && one:
		return Invalid("/since", "give either since, or conversation_id and after_seq")
	case one && r.AfterSeq == nil:
		return Invalid("/after_seq", "is required with conversation_id")
	case one && r.ConversationID.IsZero():
		return Invalid("/conversation_id", "is required with after_seq")
	}
	return nil
}

// DeliveryState is a state in which a delivery is listed. Those that were taken are not.
type DeliveryState string

// The states of deliveries.
const (
	DeliveryWaiting DeliveryState = "waiting"
	DeliveryFailed  DeliveryState = "failed"
)

// Check returns ErrInvalid, for /state, for an unknown state.
func (s DeliveryState) Check() error {
	if s != DeliveryWaiting && s != DeliveryFailed {
		return Invalid("/state", "must be waiting or failed")
	}
	return nil
}

// Delivery is an event, a message.notify or a report that a webhook has not taken. A waiting
// one stands for all later ones of its conversation, too.
type Delivery struct {
	Type           EventType      `json:"type,omitempty"` // MessageNotify or ReportCreated; "": an event
	ReportID       string         `json:"report_id,omitempty"`
	ConversationID ConversationID `json:"conversation_id"`
	Seq            int64          `json:"seq"`
	State          DeliveryState  `json:"state"`
	Attempts       int            `json:"attempts"`
	Status         int            `json:"status,omitempty"`      // of HTTP; 0: no answer
	DurationMS     int            `json:"duration_ms,omitempty"` // of the last attempt
	Error          string         `json:"error,omitempty"`       // of the last attempt
	AttemptedAt    *Time          `json:"attempted_at,omitempty"`
	NextAttemptAt  *Time          `json:"next_attempt_at,omitempty"` // of a waiting one
}

// WebhookTest is the result of a test call.
type WebhookTest struct {
	Taken      bool   `json:"taken"`
	Status     int    `json:"status,omitempty"` // of HTTP; 0: no answer
	DurationMS int    `json:"duration_ms"`
	Error      string `json:"error,omitempty"`
}

// EventFeed is a page of the events of all conversations.
type EventFeed struct {
	Events  []Event
	Cursor  string // where the next page begins
	HasMore bool
}

// AppendJSON appends the page.
func (f *EventFeed) AppendJSON(dst []byte) []byte {
	dst = AppendEvents(append(dst, `{"events":`...), f.Events)
	dst = append(strconv.AppendQuote(append(dst, `,"cursor":`...), f.Cursor), `,"has_more":`...)
	return append(strconv.AppendBool(dst, f.HasMore), '}')
}
