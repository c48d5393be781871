package verify

import (
	"encoding/json"
	"fmt"
)

// view is a conversation as its member sees it.
type view struct {
	ConversationID string  `json:"conversation_id"`
	Kind           string  `json:"kind"`
	HeadSeq        int64   `json:"head_seq"`
	FloorSeq       int64   `json:"floor_seq"`
	ReadSeq        int64   `json:"read_seq"`
	UnreadCount    int64   `json:"unread_count"`
	MentionCount   int64   `json:"mention_count"`
	Events         []event `json:"events"`
	LastMessage    *listed `json:"last_message"`
}

// syncPage is the answer to sync.
type syncPage struct {
	Epoch         string   `json:"epoch"`
	Conversations []view   `json:"conversations"`
	Removed       []string `json:"removed"`
	Cursor        string   `json:"cursor"`
	Done          bool     `json:"done"`
	UnreadTotal   *int64   `json:"unread_total"`
}

// page is a page of a log.
type page struct {
	ConversationID string  `json:"conversation_id"`
	Epoch          string  `json:"epoch"`
	Events         []event `json:"events"`
	FromSeq        int64   `json:"from_seq"`
	ToSeq          int64   `json:"to_seq"`
	HeadSeq        int64   `json:"head_seq"`
	FloorSeq       int64   `json:"floor_seq"`
	HasMore        bool    `json:"has_more"`
}

// violations returns what is wrong with a page by itself. after and before are the
// requested positions; 0 for none.
func (p *page) violations(id string, after, before int64) []string {
	var found []string
	say := func(text string, args ...any) { found = append(found, fmt.Sprintf(text, args...)) }
	for i := range p.Events {
		e := &p.Events[i]
		if e.ConversationID != id {
			say("a page of another conversation, %s", e.ConversationID)
		}
		if i > 0 && e.Seq != p.Events[i-1].Seq+1 {
			say("a page with a hole: %d comes after %d", e.Seq, p.Events[i-1].Seq)
		}
	}
	if len(p.Events) == 0 {
		if before == 0 && after < p.HeadSeq {
			say("an empty page after %d, although the head is %d", after, p.HeadSeq)
		}
		return found
	}
	first, last := p.Events[0].Seq, p.Events[len(p.Events)-1].Seq
	if p.FromSeq != first || p.ToSeq != last {
		say("a page from %d to %d says that it is from %d to %d", first, last, p.FromSeq, p.ToSeq)
	}
	if before == 0 && first != max(after+1, p.FloorSeq) {
		say("a page after %d begins at %d", after, first)
	}
	if before > 0 && last != min(before-1, p.HeadSeq) {
		say("a page before %d ends at %d", before, last)
	}
	if before == 0 && !p.HasMore && last != p.HeadSeq {
		say("the last page ends at %d, although the head is %d", last, p.HeadSeq)
	}
	return found
}

func isDirect(text json.RawMessage) bool {
	var b struct{ Kind string }
	return json.Unmarshal(text, &b) == nil && b.Kind == "direct"
}
