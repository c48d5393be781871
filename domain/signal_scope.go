package domain

// What is told of the living and not logged is for small conversations only: it
// grows with the square of the members.
const (
	TypingMembers  = 500 // up to how many members a conversation has typing frames
	ReceiptMembers = 50  // up to how many it has receipt frames
)

// SignalScope is what decides which frames of the living a conversation has.
type SignalScope struct {
	Members  int
	Receipts bool
}
