package domain

// RateClass is what limits on rates count.
type RateClass uint8

// The rateClasses.
const (
	// RateConnect are handshakes of sockets, hellos, and calls with a bad token.
	RateConnect RateClass = iota
	// RateSend are messages and all other changes but positions.
	RateSend
	// RateRead are lists, pages, syncs and the moving of positions.
	RateRead
	// RateSignal are what clients tell and ask in passing: acknowledgements, typing,
	// pings.
	RateSignal
	rateClasses
)

// RateClasses is how many there are: they count from 0.
const RateClasses = int(rateClasses)
