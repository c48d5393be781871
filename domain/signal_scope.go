package domain

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
