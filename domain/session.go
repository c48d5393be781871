package domain

import "time"

// SessionEntry is a live session as the registry and the nodes know it.
type SessionEntry struct {
	Session    SessionID
	User       UserID
	Device     DeviceID
	Number     int64  // from one sequence for the whole cluster: a higher one is newer
	Epoch      string // numbers of different epochs do not compare
	Background bool   // does not count as online
	Connected  Time
}

// Admission is what a session begins with.
type Admission struct {
	Number        int64     // of the session, higher than any that was given in the epoch before
	RevokedBefore time.Time // tokens of the user that were issued earlier are good no more; zero: none is revoked
}

// Memberships are all conversations of a user, and what is revoked, as of one moment.
type Memberships struct {
	Epoch         string
	List          []Membership
	RevokedBefore time.Time // as in Admission
}

// FeedPosition is how far a reader of the feed of commits has come. It is
// opaque; "" is the present.
type FeedPosition string

// FeedPage is what was committed since a position, gathered by conversation.
type FeedPage struct {
	Position FeedPosition
	Epoch    string
	Heads    []FeedHead
	Ends     []EndSessions // sessions to close; most were signalled already
}

// FeedHead is how far a conversation has come.
type FeedHead struct {
	ConversationID ConversationID
	First          int64 // the lowest seq that the page tells of
	Head           int64
	Membership     bool // somebody entered or left in First…Head
}
