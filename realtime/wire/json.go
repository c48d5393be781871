package wire

import (
	"bytes"
	"encoding/json"
	"time"

	"im/domain"
	"im/internal/edge"
)

// The order of the fields below is their order in the frame.

// WelcomeFields are the fields of a welcome frame.
type WelcomeFields struct {
	UserID         domain.UserID    `json:"user_id"`
	DeviceID       domain.DeviceID  `json:"device_id"`
	SessionID      domain.SessionID `json:"session_id"`
	NodeID         domain.NodeID    `json:"node_id"`
	Epoch          string           `json:"epoch"`
	HeartbeatMS    int64            `json:"heartbeat_ms"`
	ServerTime     domain.Time      `json:"server_time"`
	TokenExpiresAt domain.Time      `json:"token_expires_at"`
	Limits         domain.Limits    `json:"limits"`
}

// Welcome returns the answer to the hello request id; "" if the request has none. It is
// the first frame of a session.
func Welcome(id string, fields WelcomeFields) Frame {
	return encode(struct {
		Type string `json:"type"`
		ID   string `json:"id,omitempty"`
		WelcomeFields
	}{"welcome", id, fields})
}

// Conversation returns the frame that announces a conversation to a user who was
// added to it while connected.
func Conversation(view domain.ConversationView) Frame {
	return encode(struct {
		Type         string                  `json:"type"`
		Conversation domain.ConversationView `json:"conversation"`
	}{"conversation", view})
}

// GapReason says why events were left out.
type GapReason string

// The reasons of gaps.
const (
	GapSlowReader GapReason = "slow_reader" // the socket did not take its pushes
	GapRemoved    GapReason = "removed"     // the user was removed before the conversation could be pushed
)

// Gap returns the frame that names conversations of which events up to the given
// seqs were left out.
func Gap(heads map[domain.ConversationID]int64, reason GapReason) Frame {
	return encode(struct {
		Type          string                          `json:"type"`
		Conversations map[domain.ConversationID]int64 `json:"conversations"`
		Reason        GapReason                       `json:"reason"`
	}{"gap", heads, reason})
}

// ReadState returns the answer to the read request id or, with "", the signal to
// the user's other sessions.
func ReadState(id string, state domain.ReadState) Frame {
	return encode(struct {
		Type string `json:"type"`
		ID   string `json:"id,omitempty"`
		domain.ReadState
	}{"read_state", id, state})
}

// Pong returns the answer to the ping request id; "" if the request has none.
func Pong(id string, now domain.Time) Frame {
	return encode(struct {
		Type       string      `json:"type"`
		ID         string      `json:"id,omitempty"`
		ServerTime domain.Time `json:"server_time"`
	}{"pong", id, now})
}

// Drain returns the frame that asks a client to reconnect after a delay.
func Drain(after time.Duration) Frame {
	return encode(struct {
		Type             string `json:"type"`
		ReconnectAfterMS int64  `json:"reconnect_after_ms"`
	}{"drain", after.Milliseconds()})
}

// Typing returns the frame that says that a user began or stopped typing.
func Typing(id domain.ConversationID, user domain.UserID, on bool) Frame {
	return encode(struct {
		Type           string                `json:"type"`
		ConversationID domain.ConversationID `json:"conversation_id"`
		UserID         domain.UserID         `json:"user_id"`
		On             bool                  `json:"on"`
	}{"typing", id, user, on})
}

// Receipt returns the frame of a receipt.
func Receipt(r domain.Receipt) Frame {
	return encode(struct {
		Type string `json:"type"`
		domain.Receipt
	}{"receipt", r})
}

// Presence returns the frame of a user's presence: an answer to the watch request id,
// or a change with "".
func Presence(id string, p domain.Presence) Frame {
	return encode(struct {
		Type string `json:"type"`
		ID   string `json:"id,omitempty"`
		domain.Presence
	}{"presence", id, p})
}

// Error returns the answer to the request id; "" if it has none that could be
// read. The cause of err is not part of it.
func Error(id string, err error) Frame {
	e := edge.Coded(err)
	return encode(struct {
		Type         string            `json:"type"`
		ID           string            `json:"id,omitempty"`
		Code         domain.Code       `json:"code"`
		Message      string            `json:"message"`
		Retry        domain.Retry      `json:"retry"`
		RetryAfterMS int64             `json:"retry_after_ms,omitempty"`
		Fields       map[string]string `json:"fields,omitempty"`
	}{"error", id, e.Code, e.Message, e.Retry(), int64((e.After + time.Millisecond - 1) / time.Millisecond), e.Fields})
}

func encode(v any) Frame {
	buf := bytes.NewBuffer(newPayload(512))
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return Error("", domain.ErrInternal) // a stored body is not JSON; no client can cause that
	}
	return seal(opText, bytes.TrimSuffix(buf.Bytes(), []byte("\n")))
}
