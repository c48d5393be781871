package client

import (
	"encoding/json"
	"slices"
	"time"

	"im/domain"
)

// call is a request that waits for its answer.
//
//	state    sent  changes
//	queued   no    a free place in flight, its lane free and notBefore over: to sent
//	sent     yes   an answer, or its own event: settled; a refusal that may pass: to
//	               queued, with a delay; the end of the session: to queued, or settled
//	               without an answer if ofSession
//	settled  –     answer was called, or the caller gave up
type call struct {
	id    string
	frame []byte
	// lane: of the calls of one lane, each is sent after the answer to the former one,
	// so that they take effect in order even if one is repeated. "" is no lane.
	lane string
	// ofSession: the call is void with the end of the session.
	ofSession bool
	// post is set for a send, which its own event answers too.
	post *Post
	// answer is called at most once, with the client's lock held: with a frame, or with
	// an error.
	answer func(frame json.RawMessage, err error)

	sent      bool // in the present session
	tries     int
	notBefore time.Time
}

// outbox holds the calls in the order in which they were made. Its owner locks.
type outbox struct {
	calls []*call
	delay backoff // between attempts of one call
}

// maxInternal is how often a call is sent again after an internal error, which may be
// a permanent one.
const maxInternal = 8

func (o *outbox) add(c *call) { o.calls = append(o.calls, c) }

func (o *outbox) remove(c *call) {
	o.calls = slices.DeleteFunc(o.calls, func(x *call) bool { return x == c })
}

// ready returns the calls to be sent now, and marks them as sent. At most limit
// calls are without an answer then.
func (o *outbox) ready(now time.Time, limit int) []*call {
	var out []*call
	busy := map[string]bool{}
	for _, c := range o.calls {
		if c.sent {
			limit--
			busy[c.lane] = c.lane != ""
		}
	}
	for _, c := range o.calls {
		if limit <= 0 {
			break
		}
		if c.sent || busy[c.lane] {
			continue
		}
		busy[c.lane] = c.lane != ""
		if c.notBefore.After(now) {
			continue
		}
		c.sent = true
		limit--
		out = append(out, c)
	}
	return out
}

// answered settles the call with that id, or queues it again if the refusal may pass.
func (o *outbox) answered(now time.Time, id string, frame json.RawMessage, refusal *errorFrame) {
	i := slices.IndexFunc(o.calls, func(c *call) bool { return c.id == id })
	if i < 0 {
		return
	}
	c := o.calls[i]
	if refusal != nil && o.mayPass(c, refusal) {
		delay := o.delay
		delay.tries = min(c.tries, 8)
		c.tries++
		c.sent = false
		c.notBefore = now.Add(max(delay.next(), refusal.err().After))
		return
	}
	o.calls = slices.Delete(o.calls, i, i+1)
	if refusal != nil {
		c.answer(nil, refusal.err())
		return
	}
	c.answer(frame, nil)
}

// mayPass reports whether the call is to be sent again after a refusal.
func (o *outbox) mayPass(c *call, refusal *errorFrame) bool {
	if refusal.Code == domain.CodeInternal && c.tries >= maxInternal {
		return false
	}
	return refusal.Retry == domain.RetryAgain || refusal.Retry == domain.RetryAfter
}

// disconnected drops the calls of the session, and queues the others again.
func (o *outbox) disconnected() {
	o.calls = slices.DeleteFunc(o.calls, func(c *call) bool { return c.ofSession })
	for _, c := range o.calls {
		c.sent, c.notBefore = false, time.Time{}
	}
}

// arrived settles the send that made the event e, if there is one: its answer may have
// been lost. to is the other user of a direct conversation.
func (o *outbox) arrived(e *Event, to UserID) {
	i := slices.IndexFunc(o.calls, func(c *call) bool {
		return c.post != nil && c.post.ClientMsgID == e.ClientMsgID &&
			(c.post.ConversationID == e.ConversationID || to != "" && c.post.To == to)
	})
	if i < 0 {
		return
	}
	c := o.calls[i]
	o.calls = slices.Delete(o.calls, i, i+1)
	c.answer(encode(sentFrame{
		ConversationID: e.ConversationID, ClientMsgID: e.ClientMsgID, Seq: e.Seq, At: e.At,
	}), nil)
}

// fail settles every call with err.
func (o *outbox) fail(err error) {
	calls := o.calls
	o.calls = nil
	for _, c := range calls {
		c.answer(nil, err)
	}
}
