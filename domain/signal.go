package domain

import (
	"encoding/json"
)

// Signal is a message to live sessions that is not part of the log: one of UserFrame,
// Broadcast, ConversationFrame, EndSessions and PresenceChanged.
//
// A signal reaches a session at most once. It is ephemeral: a session that begins
// later does not receive it, and no one repeats it. Senders never block: a signal that
// does not fit into the bounded queue on its way is dropped.
type Signal interface{ signal() }

// UserFrame is a frame for the live sessions of one user, on all nodes. A session
// whose send queue is full does not receive it.
type UserFrame struct {
	User  UserID
	Frame json.RawMessage // sent as it is
	// Except is a session of User that does not receive the frame; "" for none.
	Except SessionID
}

// Broadcast is a frame for all live sessions of all users, on all nodes. A session
// whose send queue is full does not receive it.
type Broadcast struct {
	Frame json.RawMessage // sent as it is
}

// ConversationFrame is a frame for the live sessions of the members of a
// conversation, on all nodes. It is the first kind of frame that a session drops
// when its send queue fills up.
type ConversationFrame struct {
	Conversation ConversationID
	From         UserID          // the member that the frame is about; this user does not receive it
	Frame        json.RawMessage // sent as it is
}

// EndSessions closes sessions of a user. Its delivery as a signal only makes it fast:
// a revocation also goes through the log of commits (FeedPage.Ends), so that no node
// can miss it.
type EndSessions struct {
	User UserID
	// Session is the session to close; "" for all sessions of User whose number is
	// less than Below.
	Session SessionID
	Below   int64
	Code    int // WebSocket close code
}

// PresenceChanged announces that the presence of a user may have changed. Every node
// then looks it up for the sessions that watch the user. The periodic lookups of
// watched users make up for one that was dropped.
type PresenceChanged struct {
	User UserID
}

func (UserFrame) signal()         {}
func (Broadcast) signal()         {}
func (ConversationFrame) signal() {}
func (EndSessions) signal()       {}
func (PresenceChanged) signal()   {}

// Typing and receipt frames are sent in small conversations only, because their number
// grows with the square of the members.
const (
	TypingMembers  = 500 // maximum number of members for typing frames
	ReceiptMembers = 50  // maximum number of members for receipt frames
)

// SignalScope has the properties of a conversation that decide which signals its
// members get.
type SignalScope struct {
	Members  int  // current members
	Receipts bool // Settings.Receipts
}
