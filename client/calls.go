package client

import (
	"context"
	"crypto/rand"
	"encoding/json"

	"im/domain"
)

// request queues a call, waits for its answer and reads it into answer.
func (c *Client) request(ctx context.Context, made *call, build func(id string) any, answer any) error {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	type reply struct {
		frame json.RawMessage
		err   error
	}
	replies := make(chan reply, 1)
	made.answer = func(frame json.RawMessage, err error) { replies <- reply{frame, err} }
	ended := false
	c.locked(func(e *engine) {
		if ended = c.ended; !ended {
			e.call(made, build)
			e.flush()
		}
	})
	if ended {
		return ErrClosed
	}
	select {
	case r := <-replies:
		if r.err != nil {
			return r.err
		}
		return json.Unmarshal(r.frame, answer)
	case <-ctx.Done():
		c.locked(func(e *engine) { e.outbox.remove(made) })
		return ctx.Err()
	}
}

// Send returns when the message is committed, or refused with an *Error. If ctx
// ends before, the outcome is unknown: send it again with the same ClientMsgID.
func (c *Client) Send(ctx context.Context, p Post) (Sent, error) {
	if p.ClientMsgID == "" {
		p.ClientMsgID = rand.Text()
	}
	if !json.Valid(p.Content) || len(p.Metadata) > 0 && !json.Valid(p.Metadata) {
		return Sent{}, domain.Invalid("/content", "content and metadata must be JSON")
	}
	frame := sendFrame{
		Type: "send", ClientMsgID: p.ClientMsgID, Content: p.Content, To: p.To,
		ReplyTo: p.ReplyTo, Mentions: p.Mentions, Metadata: p.Metadata,
	}
	lane := "to " + string(p.To)
	if !p.ConversationID.IsZero() {
		frame.ConversationID = &p.ConversationID
		lane = p.ConversationID.String()
	}
	var sent sentFrame
	err := c.request(ctx, &call{lane: lane, post: &p}, func(id string) any {
		frame.ID = id
		return frame
	}, &sent)
	return Sent(sent), err
}

// Read notes that the user has read up to seq; it never goes back.
func (c *Client) Read(ctx context.Context, id ConversationID, seq int64) (ReadState, error) {
	var state ReadState
	err := c.request(ctx, &call{}, func(request string) any {
		return readFrame{Type: "read", ID: request, ConversationID: id, Seq: seq}
	}, &state)
	return state, err
}
