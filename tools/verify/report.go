package verify

import "time"

// Report is what a run did, saw and found.
type Report struct {
	Seed    uint64    `json:"seed"`
	Prefix  string    `json:"prefix"`
	Started time.Time `json:"started"`
	Elapsed Millis    `json:"elapsed_ms"` // of everything, judging included

	Sockets bool `json:"sockets"` // false: without tokens of users, no push could be judged

	Users         int64 `json:"users"`
	Devices       int64 `json:"devices"` // stores that devices began, new ones after a switch included
	Conversations int64 `json:"conversations"`
	LogEvents     int64 `json:"log_events"` // in the logs at the end

	Sends      int64 `json:"sends"`      // different client_msg_ids
	Attempts   int64 `json:"attempts"`   // frames and calls that carried them
	Retries    int64 `json:"retries"`    // attempts after one without an answer
	HeldBack   int64 `json:"held_back"`  // sends that were not begun, since too many of the user were unanswered
	Answered   int64 `json:"answered"`   // sends that were told a seq
	Refused    int64 `json:"refused"`    // sends that were definitely refused
	Unanswered int64 `json:"unanswered"` // sends without an answer to the end
	Duplicates int64 `json:"duplicates"` // answers that said duplicate
	Changes    int64 `json:"changes"`    // other changes that were answered: members, edits, recalls, reactions …

	Deliveries  int64 `json:"deliveries"` // events pushed to sessions
	Pulled      int64 `json:"pulled"`     // events read by pull, sync or GET events, by devices
	Checked     int64 `json:"checked"`    // (event, session) pairs that I6 asked for
	Sessions    int64 `json:"sessions"`   // welcomes
	Reconnects  int64 `json:"reconnects"`
	SlowReaders int64 `json:"slow_readers"` // times that a session stopped reading for a while
	Gaps        int64 `json:"gaps"`
	LeftOut     int64 `json:"left_out"` // events that gaps said were not pushed
	Epochs      int64 `json:"epochs"`   // different ones seen
	Lost        int64 `json:"lost"`     // answered sends that a changed epoch took away: a failover with loss, no breach

	SinceJoin    int64 `json:"since_join"`    // conversations whose members may read from their joining on only
	Floors       int64 `json:"floors"`        // different floors above 1 that readers were told, all of which were judged
	FloorAnswers int64 `json:"floor_answers"` // pages, views and lists that told one

	LostConversations int64 `json:"lost_conversations"` // whole ones that it took away

	// Faults are what was seen and may be: close codes ("close 4000"), error codes
	// ("error unavailable"), and connections refused or lost ("refused", "lost",
	// "handshake 503", "timeout").
	Faults map[string]int64 `json:"faults"`

	Send      Latency `json:"send"`  // from the frame to its answer
	Push      Latency `json:"push"`  // from the answer to the event, at each session that was connected all the time
	Reconnect Latency `json:"reach"` // from losing a connection to the next welcome

	// MaxOutage is the longest time that a client wanted a connection and had none;
	// MaxUnanswered the longest from a send's first attempt to its answer.
	MaxOutage     Millis `json:"max_outage_ms"`
	MaxUnanswered Millis `json:"max_unanswered_ms"`

	Breaches     []Breach         `json:"breaches"`     // the first 200 of each invariant
	BreachCount  int64            `json:"breach_count"` // all of them
	ByInvariant  map[string]int64 `json:"by_invariant"`
	Unfinished   []string         `json:"unfinished"` // what could not be judged, and why: makes the run fail too
	MemoryPeakMB int64            `json:"memory_peak_mb"`
}

// Breach is one guarantee that did not hold.
type Breach struct {
	Invariant      string    `json:"invariant"` // I1 … I6, I8, rule2, unread, membership
	ConversationID string    `json:"conversation_id,omitempty"`
	Seq            int64     `json:"seq,omitempty"`
	ClientMsgID    string    `json:"client_msg_id,omitempty"`
	Client         string    `json:"client,omitempty"` // user/device, and the session
	At             time.Time `json:"at"`
	Text           string    `json:"text"`
}

// Millis is a duration that JSON has in milliseconds.
type Millis float64

// Latency is a distribution, in milliseconds.
type Latency struct {
	Count int64  `json:"count"`
	P50   Millis `json:"p50_ms"`
	P90   Millis `json:"p90_ms"`
	P99   Millis `json:"p99_ms"`
	Max   Millis `json:"max_ms"`
}

// OK says whether everything held, and all of it was judged.
func (r *Report) OK() bool { return r.BreachCount == 0 && len(r.Unfinished) == 0 }
