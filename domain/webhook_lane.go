package domain

import (
	"slices"
	"time"
)

// WebhookTrack is a kind of what a webhook is owed. A lane of one track does not wait for
// those of another.
type WebhookTrack int

// The tracks of a webhook.
const (
	EventTrack  WebhookTrack = iota // events: a lane for each conversation
	NotifyTrack                     // message.notify: a lane for each conversation
	ReportTrack                     // report.created: a lane for each report
	WebhookTracks
)

// Type returns the type of the calls of a track; "" for events.
func (t WebhookTrack) Type() EventType {
	return [WebhookTracks]EventType{NotifyTrack: MessageNotify, ReportTrack: ReportCreated}[t]
}

// WantedBy reports whether a webhook that asks for types (nil: all events) has the track.
func (t WebhookTrack) WantedBy(types []EventType) bool {
	if t != EventTrack {
		return slices.Contains(types, t.Type())
	}
	return types == nil || slices.ContainsFunc(types, func(e EventType) bool { return e != MessageNotify && e != ReportCreated })
}

// WebhookTarget is what calls of a webhook need.
type WebhookTarget struct {
	WebhookID       string
	URL             string
	State           WebhookState
	Types           []EventType // nil: all events
	ConversationIDs []ConversationID
	Recipients      WebhookRecipients
	Tracks          [WebhookTracks]string // the ids of the tracks; that of EventTrack is WebhookID
	Secrets         []string              // that sign: the present one, and the former one during a rotation
}

// HeldWebhook is a webhook that this node delivers for, under a lease.
type HeldWebhook struct {
	WebhookTarget

	Turn     int64 // fencing token of the lease
	Epoch    string
	Position FeedPosition // what was committed before it is delivered or in lanes
	Walking  bool         // lanes are made of older events, too
}

// WebhookLane is what a track of a webhook is owed of one conversation: the events from Next
// to Head. Of ReportTrack it is one report.
type WebhookLane struct {
	WebhookID      string
	Track          WebhookTrack
	TrackID        string
	ConversationID ConversationID // of ReportTrack: the id of the report
	Next, Head     int64
	Attempts       int        // of Next
	Part           NotifyPart // of Next; only of NotifyTrack
}

// NotifyPart is a range of the members of a conversation. The message.notify of a message
// has several parts if there are many members, and one call for each. What is stored before
// a call names its part, so that a repetition has the same members.
type NotifyPart struct {
	Number int    // 1, 2, 3 …; 0: none was begun
	After  UserID // exclusive
	Upto   UserID // inclusive
}

// Next returns the part after p.
func (p NotifyPart) Next() NotifyPart { return NotifyPart{Number: p.Number + 1, After: p.Upto} }

// NotifyRules say which messages are notified, and in which parts.
type NotifyRules struct {
	Delay   time.Duration // from the commit to the call
	Within  time.Duration // what is older is dropped
	Members int           // of a part, at most
}

// Notification is the next message.notify of a lane.
//
//	Event | Wait | what follows
//	nil   | 0    | the lane is done up to Seq
//	nil   | > 0  | the lane is due again after Wait, with the message Seq
//	set   | 0    | a call for Part; then for the part after it, or the lane is done up to Seq if Last
type Notification struct {
	Event      *Event
	Recipients []NotifyRecipient
	Part       NotifyPart
	Last       bool
	Seq        int64
	Wait       time.Duration
	Dropped    int64 // messages that were too old
}

// NotifyRecipient is a user to notify of a message.
type NotifyRecipient struct {
	UserID        UserID `json:"user_id"`
	DevicesOnline *int   `json:"devices_online"` // nil: unknown, the registry does not answer
	UnreadTotal   int64  `json:"unread_total"`
	Mentioned     bool   `json:"mentioned"`
	Notify        string `json:"notify"` // what the user prefers for the conversation
}

// WebhookOwed says how much a track of a webhook is owed.
type WebhookOwed struct {
	Lanes  int64
	Events int64         // of all lanes; reports, of ReportTrack
	Oldest time.Duration // age of the oldest; 0: none
}

// WebhookAttempt is an attempt that failed.
type WebhookAttempt struct {
	Seq      int64 // of the event
	Status   int   // of HTTP; 0: no answer
	Duration time.Duration
	Error    string
}
