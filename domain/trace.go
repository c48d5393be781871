package domain

import "slices"

// Trace is the progress of one message through its stages: committed, routed to the
// nodes that have sessions of members, pushed to these sessions, acknowledged by
// devices, and read. It is computed from the present state: there is no record of what
// was written to which socket.
type Trace struct {
	ConversationID ConversationID `json:"conversation_id"`
	Seq            int64          `json:"seq"`
	Sender         UserID         `json:"sender"`
	Committed      TraceCommit    `json:"committed"`
	// Routed has the nodes that have sessions of the members of this page, sorted; nil:
	// unknown, because the registry does not answer.
	Routed     []NodeID      `json:"routed"`
	Items      []TraceMember `json:"items"`       // a page of the current members, by user id
	NextCursor *string       `json:"next_cursor"` // nil: the last page
}

// TraceCommit is when and by which node the message was committed.
type TraceCommit struct {
	At   Time    `json:"at"`
	Node *string `json:"node"` // nil: no longer known, some hours later
}

// TraceMember is the progress of the message to one current member.
type TraceMember struct {
	UserID    UserID `json:"user_id"`
	Delivered bool   `json:"delivered"` // a device has acknowledged it
	Read      bool   `json:"read"`      // the read position includes it
	// DeliveredSeq and ReadSeq are the member's positions in the conversation.
	DeliveredSeq int64          `json:"delivered_seq"`
	ReadSeq      int64          `json:"read_seq"`
	Devices      []TraceDevice  `json:"devices"`
	Sessions     []TraceSession `json:"sessions"` // live ones; nil: unknown
}

// TraceDevice is a device that has acknowledged events of the conversation.
type TraceDevice struct {
	DeviceID DeviceID `json:"device_id"`
	AckedSeq int64    `json:"acked_seq"` // highest seq that it has acknowledged
	Acked    bool     `json:"acked"`     // AckedSeq includes the message
}

// TraceSession is a live session of a recipient.
type TraceSession struct {
	LiveSession

	// Pushed is true if the device has acknowledged the message; nil: unknown.
	Pushed *bool `json:"pushed"`
}

// AddSessions sets Routed and the sessions of Items. Sessions is nil if they are
// unknown; then they stay nil.
func (t *Trace) AddSessions(sessions map[UserID][]LiveSession) {
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
