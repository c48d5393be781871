package domain

import "slices"

// Trace is how far one message has come: committed, then routed to the nodes that
// have sessions of members, pushed to those, acknowledged by devices, and read. It
// is what is known at the moment: nobody keeps a record of what was written to
// which socket.
type Trace struct {
	ConversationID ConversationID `json:"conversation_id"`
	Seq            int64          `json:"seq"`
	Sender         UserID         `json:"sender"`
	Committed      TraceCommit    `json:"committed"`
	// Routed are the nodes that have sessions of the members of this page; nil:
	// unknown now, as are the sessions.
	Routed     []NodeID      `json:"routed"`
	Items      []TraceMember `json:"items"` // by user id
	NextCursor *string       `json:"next_cursor"`
}

// TraceCommit is when the message was committed, and by which node; nil once that
// is forgotten, hours later.
type TraceCommit struct {
	At   Time    `json:"at"`
	Node *string `json:"node"`
}

// TraceMember is how far the message has come to one of the present members.
type TraceMember struct {
	UserID    UserID `json:"user_id"`
	Delivered bool   `json:"delivered"` // to one of the devices
	Read      bool   `json:"read"`
	// DeliveredSeq and ReadSeq are how far the member has come.
	DeliveredSeq int64          `json:"delivered_seq"`
	ReadSeq      int64          `json:"read_seq"`
	Devices      []TraceDevice  `json:"devices"`
	Sessions     []TraceSession `json:"sessions"` // live ones; nil: unknown now
}

// TraceDevice is a device that has acknowledged something of the conversation.
type TraceDevice struct {
	DeviceID DeviceID `json:"device_id"`
	AckedSeq int64    `json:"acked_seq"`
	Acked    bool     `json:"acked"` // this message
}

// TraceSession is a live session that the message is for.
type TraceSession struct {
	LiveSession

	// Pushed is true once the device has acknowledged the message; nil: unknown.
	Pushed *bool `json:"pushed"`
}

// Locate adds the live sessions of the members, as they are known; nil if they
// are not.
func (t *Trace) Locate(sessions map[UserID][]LiveSession) {
	if sessions == nil {
		return
	}
	t.Routed = []NodeID{}
	nodes := map[NodeID]bool{}
	for i := range t.Items {
		m := &t.Items[i]
		m.Sessions = []TraceSession{}
		for _, s := range sessions[m.UserID] {
			m.Sessions = append(m.Sessions, TraceSession{s, m.pushed(s.DeviceID)})
			if !nodes[s.NodeID] {
				nodes[s.NodeID] = true
				t.Routed = append(t.Routed, s.NodeID)
			}
		}
	}
	slices.Sort(t.Routed)
}

func (m *TraceMember) pushed(device DeviceID) *bool {
	for _, d := range m.Devices {
		if d.DeviceID == device && d.Acked {
			return new(true)
		}
	}
	return nil
}
