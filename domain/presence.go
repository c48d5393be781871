package domain

// Presence is whether a user has a live session somewhere that is not in the
// background. To who may not know, everybody is offline and was never seen.
type Presence struct {
	UserID     UserID `json:"user_id"`
	Online     *bool  `json:"online"` // nil: unknown at present
	LastSeenAt *Time  `json:"last_seen_at,omitempty"`
}

// PresenceQuery is one user's wish to know of another's presence.
type PresenceQuery struct {
	Viewer, User UserID
}

// Visibility is what the store knows for a PresenceQuery: whether the two share a
// conversation and the user has not blocked the viewer, or they are one, and when the user was seen last; zero for never.
type Visibility struct {
	Visible  bool
	LastSeen Time
}

// LastSeen says that a user was online at some time.
type LastSeen struct {
	User UserID
	At   Time
}
