package domain

import "encoding/json"

// firstSeq is the lowest seq of a conversation.
const firstSeq = 1

// Floor returns the lowest seq that a member may read, given the seq of the member's
// latest joining. A change of the settings moves it for all members, those who joined
// earlier included.
func (s Settings) Floor(joined int64) int64 {
	if s.History == HistorySinceJoin {
		return joined
	}
	return firstSeq
}

// floor returns the lowest seq that the actor may read: a member or a backend.
func (c *Conversation) floor(a Actor) int64 {
	if a.Backend {
		return firstSeq
	}
	return c.Settings.Floor(c.members[a.User].JoinedSeq)
}

// EditOf returns the seq of the message that a message.edited is of, and 0 for events
// of other types. Edits are the only events that hold content of an older message, so
// they are the only ones to redact below a floor.
func (e *Event) EditOf() int64 {
	if e.Type != MessageEdited {
		return 0
	}
	var body struct {
		TargetSeq int64 `json:"target_seq"`
	}
	if json.Unmarshal(e.Body, &body) != nil {
		return firstSeq // a stored body that is not JSON: redact it for every reader with a floor
	}
	return body.TargetSeq
}

// Redacted returns an edit of the message at target without content and mentions, for
// readers who may not read that message.
func (e *Event) Redacted(target int64) Event {
	redacted := *e
	redacted.Body = append(appendInt([]byte(`{"target_seq":`), target), '}')
	return redacted
}

// RedactBelow redacts, in place, the edits of messages below floor.
func RedactBelow(floor int64, events []Event) {
	if floor <= firstSeq {
		return
	}
	for i := range events {
		if target := events[i].EditOf(); target > 0 && target < floor {
			events[i] = events[i].Redacted(target)
		}
	}
}
