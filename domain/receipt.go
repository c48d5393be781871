package domain

// Receipt is a change of a member's positions in a conversation, as sent to the other
// members. Positions that did not change are 0.
type Receipt struct {
	ConversationID ConversationID `json:"conversation_id"`
	UserID         UserID         `json:"user_id"`
	DeliveredSeq   int64          `json:"delivered_seq,omitempty"` // the highest acknowledgement of the user's devices
	ReadSeq        int64          `json:"read_seq,omitempty"`      // the highest seq that the user has read
}

// MemberReceipt is the state of a member's positions, in the list of a conversation; 0:
// none yet.
type MemberReceipt struct {
	UserID       UserID `json:"user_id"`
	DeliveredSeq int64  `json:"delivered_seq"` // as in Receipt
	ReadSeq      int64  `json:"read_seq"`      // as in Receipt
}
