package domain

// Receipt is how far a member has come in a conversation, as the other members
// may know; 0 is not known or not moved.
type Receipt struct {
	ConversationID ConversationID `json:"conversation_id"`
	UserID         UserID         `json:"user_id"`
	DeliveredSeq   int64          `json:"delivered_seq,omitempty"` // the furthest of the user's devices
	ReadSeq        int64          `json:"read_seq,omitempty"`
}

// MemberReceipt is a Receipt in the list of a conversation.
type MemberReceipt struct {
	UserID       UserID `json:"user_id"`
	DeliveredSeq int64  `json:"delivered_seq"`
	ReadSeq      int64  `json:"read_seq"`
}
