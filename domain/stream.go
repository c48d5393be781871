package domain

import "time"

// StreamID is the id of the event stream among webhooks. The row of the stream is made when
// a node starts with a stream for the first time. The API for webhooks does not show it.
const StreamID = "00000000-0000-7000-8000-000000000000"

// OwedEvent is an event that the stream is owed, with what its address is made of.
type OwedEvent struct {
	Event

	Kind Kind // of the conversation
}

// StreamMessage is an event as a broker gets it. Its body is that of the call of a webhook.
type StreamMessage struct {
	ID             string // that of the call of a webhook: the same whenever the event is sent
	ConversationID ConversationID
	Kind           Kind // of the conversation
	Type           EventType
	At             Time
	Body           []byte
}

// RoutingKey returns what consumers select messages by: the kind of the conversation and
// the type of the event, such as group.message.posted.
func (m *StreamMessage) RoutingKey() string { return string(m.Kind) + "." + string(m.Type) }

// RefusedError says that a broker does not take a message, for example because it is too
// large: it is the message that is refused, and others may be taken.
type RefusedError struct{ Reason string }

// Error implements error.
func (e *RefusedError) Error() string { return e.Reason }

// StreamStatus says how far the event stream is.
type StreamStatus struct {
	CreatedAt Time        `json:"created_at"`
	Walking   bool        `json:"walking"`          // older events are being looked for
	Held      bool        `json:"held"`             // a node delivers
	Lanes     int64       `json:"lanes"`            // conversations that wait; at most 10,000 are counted
	Events    int64       `json:"events"`           // in these lanes
	OldestS   float64     `json:"oldest_seconds"`   // age of the oldest of them
	Failed    []StreamGap `json:"failed,omitempty"` // events that were given up; at most 100
}

// StreamGap is an event that the stream lacks, because the broker refused it at all
// attempts.
type StreamGap struct {
	ConversationID ConversationID `json:"conversation_id"`
	Seq            int64          `json:"seq"`
	Error          string         `json:"error"`
	FailedAt       time.Time      `json:"failed_at"`
}
