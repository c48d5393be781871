package domain

// RateClass is a kind of request with a rate limit of its own.
type RateClass uint8

// The rate classes.
const (
	// RateConnect is for socket handshakes, hellos, and calls with an invalid token.
	RateConnect RateClass = iota
	// RateSend is for messages and all other changes, without those of positions.
	RateSend
	// RateRead is for lists, pages, syncs, and changes of read positions.
	RateRead
	// RateSignal is for frequent small frames: acknowledgements, typing, pings.
	RateSignal
	rateClasses
)

// RateClasses is the number of rate classes, whose values start at 0.
const RateClasses = int(rateClasses)
