package domain

import "encoding/json"

// WebSocket close codes that travel between nodes.
const (
	CloseEnded    = 4401 // a backend ended the session, or the user from another session
	CloseReplaced = 4402 // a newer session replaced it
)

// LiveSession is a session as its user sees it.
type LiveSession struct {
	SessionID   SessionID `json:"session_id"`
	DeviceID    DeviceID  `json:"device_id"`
	NodeID      NodeID    `json:"node_id"`
	Background  bool      `json:"background"`
	ConnectedAt Time      `json:"connected_at"`
	// Current: of the device that asks, where the token tells.
	Current bool `json:"current,omitempty"`
}

// NoticeResult is how many live sessions something went to, and how many users are
// online with them.
type NoticeResult struct {
	Online   int `json:"online"`
	Sessions int `json:"sessions"`
}

// ClusterStats is who is there, in the whole cluster. Users with no session but
// background ones do not count as online.
type ClusterStats struct {
	OnlineUsers int         `json:"online_users"` // each once
	Sessions    int         `json:"sessions"`
	Nodes       []NodeStats `json:"nodes"`
}

// NodeStats is who is at one node.
type NodeStats struct {
	NodeID    NodeID `json:"node_id"`
	Sessions  int    `json:"sessions"`
	Users     int    `json:"users"` // with a session of any kind there
	StartedAt Time   `json:"started_at"`
}

// Notice is what a backend tells live sessions: at most once, never stored.
type Notice struct {
	Type     string          `json:"type"` // notice
	NoticeID string          `json:"notice_id"`
	BizType  string          `json:"biz_type"`
	Data     json.RawMessage `json:"data"`
}

// NewNotice returns a checked notice. Data counts as a message's content does.
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
