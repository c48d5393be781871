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

// Receipt is a change of a member's positions in a conversation, as it is sent to the
// other members. A position that did not change is 0.
type Receipt struct {
	ConversationID ConversationID `json:"conversation_id"`
	UserID         UserID         `json:"user_id"`
	DeliveredSeq   int64          `json:"delivered_seq,omitempty"` // the highest acknowledgement of the user's devices
	ReadSeq        int64          `json:"read_seq,omitempty"`      // the highest seq that the user has read
}

// MemberReceipt is an entry in a conversation's list of receipts: the positions of one
// member. A position is 0 if there is none yet.
type MemberReceipt struct {
	UserID       UserID `json:"user_id"`
	DeliveredSeq int64  `json:"delivered_seq"` // as in Receipt
	ReadSeq      int64  `json:"read_seq"`      // as in Receipt
}
