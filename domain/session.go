package domain

import (
	"time"
)

// SessionEntry is a live session in the registry.
type SessionEntry struct {
	Session    SessionID
	User       UserID
	Device     DeviceID
	Number     int64  // from one sequence for the whole cluster: the higher, the newer
	Epoch      string // of the log when Number was given; numbers of different epochs are not comparable
	Background bool   // it does not make its user online
	Connected  Time   // when it began
}

// Admission is the store's answer to a new session.
type Admission struct {
	Number   int64 // of the session; higher than all numbers given before in the epoch
	Standing Standing
}

// Memberships are all conversations of a user and the user's standing, read at one moment.
type Memberships struct {
	Epoch    string // of the log
	List     []Membership
	Standing Standing
}

// FeedPosition is the position of a reader in the feed of commits. It is opaque; ""
// stands for the present.
type FeedPosition string

// FeedPage is what was committed after a position, one head for each conversation.
type FeedPage struct {
	Position FeedPosition // to continue from
	Epoch    string       // of the log
	Heads    []FeedHead
	Ends     []EndSessions // sessions to close; most nodes have closed them already, by a signal
}

// FeedHead is the progress of a conversation within a FeedPage.
type FeedHead struct {
	ConversationID ConversationID
	First          int64 // lowest seq that was committed
	Head           int64 // highest seq that was committed
	Membership     bool  // an event from First to Head added or removed members
}

// Identity is the content of a valid token.
type Identity struct {
	User    UserID
	Device  DeviceID // the device that the token is bound to; "" for none
	Name    string   // profile claim; "" for none
	Picture string   // profile claim, a URL; "" for none
	Server  bool     // it is the token of a backend
	Scope   string   // as in the token; "" for none
	Expires Time     // no request is accepted with the token afterwards
	Issued  Time     // zero if the token has no such claim
}

// CheckRevoked returns ErrUnauthenticated if the token was issued before a time. A
// token without the time of issue counts as issued before it.
func (id Identity) CheckRevoked(before time.Time) error {
	if id.Issued.Before(before) {
		if id.Issued.IsZero() {
			return ErrUnauthenticated.WithMessage("the token has been revoked: it does not say when it was issued (iat)")
		}
		return ErrUnauthenticated.WithMessage("the token has been revoked: it was issued before the revocation")
	}
	return nil
}
