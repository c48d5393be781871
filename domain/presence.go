package domain

// Presence is a user's presence as another user sees it. A user is online with a live
// session that is not in the background. Without visibility (see Visibility) a user
// appears as offline and never seen.
type Presence struct {
	UserID     UserID `json:"user_id"`
	Online     *bool  `json:"online"`                 // nil: unknown, the registry does not answer
	LastSeenAt *Time  `json:"last_seen_at,omitempty"` // nil: online, never seen, or not visible
}

// PresenceQuery asks whether Viewer may see the presence of User.
type PresenceQuery struct {
	Viewer, User UserID
}

// Visibility is the store's answer to a PresenceQuery.
type Visibility struct {
	// Visible is set if the two share a conversation and User has not blocked Viewer,
	// or if they are the same user.
	Visible  bool
	LastSeen Time // when User was last online; zero: never
}

// LastSeen is a time at which a user was online.
type LastSeen struct {
	User UserID
	At   Time
}
