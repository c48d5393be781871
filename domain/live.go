package domain

// CloseEnded is the WebSocket close code of sessions that a backend ended, or
// the user from elsewhere.
const CloseEnded = 4401

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
