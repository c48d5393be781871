package domain

import "encoding/json"

// WebSocket close codes that nodes send to one another.
const (
	CloseEnded    = 4401 // a backend ended the session, or its user from another session
	CloseReplaced = 4402 // a newer session replaced it
	CloseBanned   = 4404 // the app has banned the user
)

// LiveSession is a live session as lists show it.
type LiveSession struct {
	SessionID   SessionID `json:"session_id"`
	DeviceID    DeviceID  `json:"device_id"`
	NodeID      NodeID    `json:"node_id"`
	Background  bool      `json:"background"` // it does not make its user online
	ConnectedAt Time      `json:"connected_at"`
	// Current is set if the session is of the device that the caller's token names.
	Current bool `json:"current,omitempty"`
}

// NoticeResult counts the recipients of a notice.
type NoticeResult struct {
	Online   int `json:"online"`   // users who are online by one of these sessions
	Sessions int `json:"sessions"` // live sessions that the notice was sent to
}

// ClusterStats counts what is live in the whole cluster.
type ClusterStats struct {
	OnlineUsers int         `json:"online_users"` // users with a session that is not in the background
	Sessions    int         `json:"sessions"`     // of any kind
	Nodes       []NodeStats `json:"nodes"`
}

// NodeStats counts what is live on one node.
type NodeStats struct {
	NodeID    NodeID `json:"node_id"`
	Sessions  int    `json:"sessions"` // of any kind
	Users     int    `json:"users"`    // with a session of any kind
	StartedAt Time   `json:"started_at"`
}

// Notice is a frame from a backend to live sessions. It is delivered at most once and
// never stored.
type Notice struct {
	Type     string          `json:"type"` // always "notice"
	NoticeID string          `json:"notice_id"`
	BizType  string          `json:"biz_type"` // the app's own type, 1 to 64 characters
	Data     json.RawMessage `json:"data"`     // the app's own, at most Limits.ContentBytes
}

// NewNotice returns a notice, or ErrInvalid or ErrTooLarge for /biz_type or /data.
func NewNotice(id, bizType string, data json.RawMessage, limits Limits) (Notice, error) {
	switch {
	case bizType == "":
		return Notice{}, Invalid("/biz_type", "must not be empty")
	case len(data) > limits.ContentBytes:
		return Notice{}, ErrTooLarge.WithField("/data", "longer than content_bytes")
	}
	if err := checkText("/biz_type", &bizType, maxBizType); err != nil {
		return Notice{}, err
	}
	return Notice{Type: "notice", NoticeID: id, BizType: bizType, Data: data}, nil
}
