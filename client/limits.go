package client

import "time"

// Time-outs and delays. None of them bounds a Send: that is what its ctx is for.
const (
	// DialTimeout bounds the TCP, TLS and WebSocket handshake of a connection. After
	// each round of failures over all URLs it doubles, up to MaxDialTimeout: a node
	// that is stopped accepts connections and never answers, so the next node is tried
	// soon; but when thousands of clients connect at once, every node is slow.
	DialTimeout    = 4 * time.Second
	MaxDialTimeout = 16 * time.Second
	// HelloTimeout bounds the wait for welcome. It is longer than a server takes to
	// answer (10 s to get a turn, 10 s to admit the session): the server may still
	// accept an abandoned hello, which would then replace the session that the device
	// opened elsewhere.
	HelloTimeout = 22 * time.Second
	// PongTimeout bounds the wait for any frame after a ping. The client pings after
	// one heartbeat (named by the server, 25 s by default) without a frame.
	PongTimeout = 10 * time.Second
	// WriteTimeout bounds the writing of one frame.
	WriteTimeout = 10 * time.Second
	// CallTimeout bounds one REST call to one node.
	CallTimeout = 30 * time.Second
	// RetryDelay is the largest first delay before the client connects again; the
	// ceiling doubles up to MaxRetryDelay, and the delay is random below it. It starts
	// over after a connection that lasted for 10 s.
	RetryDelay    = 500 * time.Millisecond
	MaxRetryDelay = 20 * time.Second
	// RepairDelay is the largest first delay before the client asks what an edit or a
	// recall of a message that it does not hold has changed in the counts of unread
	// messages. The delay is random, because every member may have to ask. Its ceiling
	// doubles up to MaxRepairDelay while answers do not suffice.
	RepairDelay    = 200 * time.Millisecond
	MaxRepairDelay = 20 * time.Second
	// TokenRetry is the delay between attempts to renew the token of a connection.
	TokenRetry = 10 * time.Second
)

// Limits of a Client. Those of the server are in Client.Limits.
const (
	// MaxPending is how many calls of Send and MarkRead may wait for an answer.
	// Further calls block until one of them is answered, or their ctx ends.
	MaxPending = 1024
	// MaxBuffered is how many bytes of events wait for OnEvent. Beyond it, events are
	// left on the server and pulled later.
	MaxBuffered = 4 << 20
	// MaxSignals is how many signals wait for OnSignal. Beyond it, the oldest are dropped.
	MaxSignals = 256
)

// timing has the time-outs of one client, which tests shorten.
type timing struct {
	dial, maxDial time.Duration
	welcome       time.Duration
	renewal       time.Duration
	pong          time.Duration
	tick          time.Duration // between checks of the clock
	settled       time.Duration // a connection that lasted this long resets the retry delay
	retry         backoff
}

func defaultTiming() timing {
	return timing{
		dial: DialTimeout, maxDial: MaxDialTimeout, welcome: HelloTimeout, renewal: TokenRetry, pong: PongTimeout,
		tick: 100 * time.Millisecond, settled: 10 * time.Second,
		retry: backoff{first: RetryDelay, most: MaxRetryDelay},
	}
}

// dialTimeout returns the time-out of a handshake, after failures in a row over nodes.
func (t *timing) dialTimeout(failures, nodes int) time.Duration {
	timeout := t.dial
	for range failures / nodes {
		if timeout *= 2; timeout >= t.maxDial {
			return t.maxDial
		}
	}
	return timeout
}
