package client

import (
	"encoding/json"
	"slices"
	"time"

	"im/domain"
)

// call is a request that waits for its answer.
type call struct {
	id    string
	frame []byte
	// lane: calls of one lane go out one after the other's answer, so that they
	// take effect in order even if one has to be repeated. "" is no lane.
	lane string
	// ofLink: the call means nothing on another connection.
	ofLink bool
	// post is set for a send, which its own event answers too.
	post *Post
	// answer is called once, with the client's lock held. A nil frame with a nil
	// err never happens.
	answer func(frame json.RawMessage, err error)

	sent      bool // over the present connection
	tries     int
	notBefore time.Time
}

// outbox holds the calls in the order in which they were made. Its owner locks.
type outbox struct {
	calls []*call
	delay backoff // the pattern of delays between tries of one call
}

// maxInternal is how often an internal error is taken for one that passes.
const maxInternal = 8

func (o *outbox) add(c *call) { o.calls = append(o.calls, c) }

func (o *outbox) remove(c *call) {
	o.calls = slices.DeleteFunc(o.calls, func(x *call) bool { return x == c })
}

// ready returns, marked as sent, what may go out now with at most limit
// requests unanswered.
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

// answered settles the call with that id. A refusal that may pass leaves it to
// be sent again later.
func (o *outbox) answered(now time.Time, id string, frame json.RawMessage, refusal *errorFrame) {
	i := slices.IndexFunc(o.calls, func(c *call) bool { return c.id == id })
	if i < 0 {
		return
	}
	c := o.calls[i]
	if refusal != nil && o.again(c, refusal) {
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

func (o *outbox) again(c *call, refusal *errorFrame) bool {
	if refusal.Code == domain.CodeInternal && c.tries >= maxInternal {
		return false
	}
	return refusal.Retry == domain.RetryAgain || refusal.Retry == domain.RetryAfter
}

// disconnected forgets what belonged to the connection; the rest is to be sent
// again over the next one.
func (o *outbox) disconnected() {
	o.calls = slices.DeleteFunc(o.calls, func(c *call) bool { return c.ofLink })
	for _, c := range o.calls {
		c.sent, c.notBefore = false, time.Time{}
	}
}

// arrived settles the send whose message e is, if there is one: its answer may
// have been lost. to is the other member of a direct conversation.
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

// fail ends every call with err.
func (o *outbox) fail(err error) {
	calls := o.calls
	o.calls = nil
	for _, c := range calls {
		c.answer(nil, err)
	}
}
