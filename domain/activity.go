package domain

// Activity is what limits on rates count.
type Activity uint8

// The activities.
const (
	// Connects are handshakes of sockets, hellos, and calls with a bad token.
	Connects Activity = iota
	// Sends are messages and all other changes but positions.
	Sends
	// Reads are lists, pages, syncs and the moving of positions.
	Reads
	// Signals are what clients tell and ask in passing: acknowledgements, typing,
	// pings.
	Signals
	activities
)

// Activities is how many there are: they count from 0.
const Activities = int(activities)
