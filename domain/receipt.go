package domain

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
