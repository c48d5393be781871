package domain

import "encoding/json"

// firstSeq is the lowest seq of a conversation.
const firstSeq = 1

// Floor returns the lowest seq that a member may read whose latest joining was at
// joined. It moves with the settings, for those who were there before them too.
func (s Settings) Floor(joined int64) int64 {
	if s.History == HistorySinceJoin {
		return joined
	}
	return firstSeq
}

// floor returns the lowest seq that the actor, who has a role, may read.
func (c *Conversation) floor(a Actor) int64 {
	if a.Backend {
		return firstSeq
	}
	return c.Settings.Floor(c.members[a.User].JoinedSeq)
}

// EditOf returns the seq of the message that an edit is of, and 0 for every other
// event: nothing but an edit says something about an older message.
func (e *Event) EditOf() int64 {
	if e.Type != MessageEdited {
		return 0
	}
	var body struct {
		TargetSeq int64 `json:"target_seq"`
	}
	if json.Unmarshal(e.Body, &body) != nil {
		return firstSeq // a stored body that is not JSON: shown to nobody who has a floor
	}
	return body.TargetSeq
}

// WithoutContent returns an edit of the message at target as those see it who may
// not read that: neither content nor mentions.
func (e *Event) WithoutContent(target int64) Event {
	hidden := *e
	hidden.Body = append(appendInt([]byte(`{"target_seq":`), target), '}')
	return hidden
}

// HideBelow takes the content out of the edits of messages below floor.
func HideBelow(floor int64, events []Event) {
	if floor <= firstSeq {
		return
	}
	for i := range events {
		if target := events[i].EditOf(); target > 0 && target < floor {
			events[i] = events[i].WithoutContent(target)
		}
	}
}
