package client

import "encoding/json"

// Frames to the server.
type (
	helloFrame struct {
		Type       string `json:"type"`
		DeviceID   string `json:"device_id"`
		Token      string `json:"token"`
		Background bool   `json:"background,omitempty"`
	}
	syncFrame struct {
		Type          string `json:"type"`
		ID            string `json:"id"`
		Cursor        string `json:"cursor,omitempty"`
		TimelineLimit int    `json:"timeline_limit,omitempty"`
	}
	sendFrame struct {
		Type           string          `json:"type"`
		ID             string          `json:"id"`
		ClientMsgID    string          `json:"client_msg_id"`
		Content        json.RawMessage `json:"content"`
		ConversationID *ConversationID `json:"conversation_id,omitempty"`
		To             UserID          `json:"to,omitempty"`
		ReplyTo        int64           `json:"reply_to,omitempty"`
		Mentions       []UserID        `json:"mentions,omitempty"`
		Metadata       json.RawMessage `json:"metadata,omitempty"`
	}
	pullFrame struct {
		Type           string         `json:"type"`
		ID             string         `json:"id"`
		ConversationID ConversationID `json:"conversation_id"`
		AfterSeq       int64          `json:"after_seq"`
		Limit          int            `json:"limit"`
	}
	ackFrame struct {
		Type string                   `json:"type"`
		Acks map[ConversationID]int64 `json:"acks"`
	}
	readFrame struct {
		Type           string         `json:"type"`
		ID             string         `json:"id"`
		ConversationID ConversationID `json:"conversation_id"`
		Seq            int64          `json:"seq"`
	}
	typingFrame struct {
		Type           string         `json:"type"`
		ConversationID ConversationID `json:"conversation_id"`
		On             bool           `json:"on"`
	}
	watchFrame struct {
		Type    string   `json:"type"`
		UserIDs []UserID `json:"user_ids"`
	}
	pingFrame struct {
		Type string `json:"type"`
	}
)

// Frames from the server; see signals.go too. Unknown fields and frames are ignored.
type (
	envelope struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	}
	welcomeFrame struct {
		UserID         UserID `json:"user_id"`
		SessionID      string `json:"session_id"`
		Epoch          string `json:"epoch"`
		HeartbeatMS    int64  `json:"heartbeat_ms"`
		ServerTime     Time   `json:"server_time"`
		TokenExpiresAt Time   `json:"token_expires_at"`
		Limits         Limits `json:"limits"`
	}
	sentFrame struct {
		ConversationID ConversationID `json:"conversation_id"`
		ClientMsgID    string         `json:"client_msg_id"`
		Seq            int64          `json:"seq"`
		At             Time           `json:"at"`
		Duplicate      bool           `json:"duplicate"`
	}
	eventFrame struct {
		Event Event `json:"event"`
	}
	gapFrame struct {
		Conversations map[ConversationID]int64 `json:"conversations"`
	}
	conversationFrame struct {
		Conversation Conversation `json:"conversation"`
	}
	drainFrame struct {
		ReconnectAfterMS int64 `json:"reconnect_after_ms"`
	}
)

func encode(frame any) []byte {
	data, err := json.Marshal(frame)
	if err != nil {
		return nil // cannot happen: Send checks that Content and Metadata are JSON
	}
	return data
}
