package verify

import "time"

// Report is the result of a run.
type Report struct {
	Seed    uint64    `json:"seed"`
	Prefix  string    `json:"prefix"`
	Started time.Time `json:"started"`
	Elapsed Millis    `json:"elapsed_ms"` // the whole run, checks included

	Sockets bool `json:"sockets"` // false: without user tokens no push could be checked

	Users         int64 `json:"users"`
	Devices       int64 `json:"devices"` // stores that devices started, replacements included
	Conversations int64 `json:"conversations"`
	LogEvents     int64 `json:"log_events"` // in the logs at the end

	Sends      int64 `json:"sends"`      // different client_msg_ids
	Attempts   int64 `json:"attempts"`   // frames and calls that carried them
	Retries    int64 `json:"retries"`    // attempts after one without an answer
	HeldBack   int64 `json:"held_back"`  // sends that were skipped because the user had too many in flight
	Answered   int64 `json:"answered"`   // sends answered with a seq
	Refused    int64 `json:"refused"`    // sends that were definitely refused
	Unanswered int64 `json:"unanswered"` // sends without an answer until the end
	Duplicates int64 `json:"duplicates"` // answers with duplicate: true
	Changes    int64 `json:"changes"`    // other changes that were answered: members, edits, recalls, reactions …

	Deliveries  int64 `json:"deliveries"` // events pushed to sessions
	Pulled      int64 `json:"pulled"`     // events that devices read by pull, sync or GET …/events
	Checked     int64 `json:"checked"`    // (event, session) pairs that were due by I6
	Sessions    int64 `json:"sessions"`   // welcomes
	Reconnects  int64 `json:"reconnects"`
	SlowReaders int64 `json:"slow_readers"` // pauses in which a session did not read
	Gaps        int64 `json:"gaps"`
	LeftOut     int64 `json:"left_out"` // events that gaps named as not pushed
	Epochs      int64 `json:"epochs"`   // different ones seen
	Lost        int64 `json:"lost"`     // answered sends lost with a changed epoch: a failover with loss, no breach

	WebhookCalls    int64 `json:"webhook_calls"`    // that the receiver got
	WebhookEvents   int64 `json:"webhook_events"`   // different events that came, and are in the logs
	WebhookRepeated int64 `json:"webhook_repeated"` // events that came again
	WebhookRefused  int64 `json:"webhook_refused"`  // calls while the receiver was away

	SinceJoin    int64 `json:"since_join"`    // conversations whose members may read only since their joining
	Floors       int64 `json:"floors"`        // different floors above 1 that readers got; all were checked
	FloorAnswers int64 `json:"floor_answers"` // pages, views and lists that named one

	LostConversations int64 `json:"lost_conversations"` // whole conversations lost with a changed epoch

	// Faults counts what may happen and is no breach: close codes ("close
	// 4000"), error codes ("error unavailable"), and failed connections
	// ("refused", "lost", "handshake 503", "timeout").
	Faults map[string]int64 `json:"faults"`

	Send      Latency `json:"send"`    // from the frame to its answer
	Push      Latency `json:"push"`    // from the answer to the event, at each session that was connected all the time
	Webhook   Latency `json:"webhook"` // from the time of an event to its first call
	Reconnect Latency `json:"reach"`   // from losing a connection to the next welcome

	// MaxOutage is the longest time that a client was without a connection.
	// MaxUnanswered is the longest time from a send's first attempt to its
	// answer.
	MaxOutage     Millis `json:"max_outage_ms"`
	MaxUnanswered Millis `json:"max_unanswered_ms"`

	Breaches     []Breach         `json:"breaches"`     // the first 200 of each invariant
	BreachCount  int64            `json:"breach_count"` // all of them
	ByInvariant  map[string]int64 `json:"by_invariant"`
	Unfinished   []string         `json:"unfinished"` // what could not be checked, and why; the run then fails too
	MemoryPeakMB int64            `json:"memory_peak_mb"`
}

// Breach is one guarantee that did not hold.
type Breach struct {
	Invariant      string    `json:"invariant"` // I1 … I6, I8, rule2, unread, membership, webhook
	ConversationID string    `json:"conversation_id,omitempty"`
	Seq            int64     `json:"seq,omitempty"`
	ClientMsgID    string    `json:"client_msg_id,omitempty"`
	Client         string    `json:"client,omitempty"` // user/device, and the session
	At             time.Time `json:"at"`
	Text           string    `json:"text"`
}

// Millis is a duration, in milliseconds in JSON.
type Millis float64

// Latency is a distribution, in milliseconds.
type Latency struct {
	Count int64  `json:"count"`
	P50   Millis `json:"p50_ms"`
	P90   Millis `json:"p90_ms"`
	P99   Millis `json:"p99_ms"`
	Max   Millis `json:"max_ms"`
}

// OK reports whether all guarantees held and all were checked.
func (r *Report) OK() bool { return r.BreachCount == 0 && len(r.Unfinished) == 0 }
