package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"

	"im/domain"
)

// request queues a call, waits for its answer and decodes it into answer.
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
	if err := c.do(func(e *engine) {
		e.call(made, build)
		e.flush()
	}); err != nil {
		return err
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

// do calls f with the engine unless Run has ended.
func (c *Client) do(f func(*engine)) (err error) {
	c.locked(func(e *engine) {
		if c.ended {
			err = ErrClosed
			return
		}
		f(e)
	})
	return err
}

// Send sends a message. It returns once the message is committed, or refused with an
// *Error. If ctx ends before, the outcome is unknown: send it again with the same
// ClientMsgID.
//
// Errors that may pass (ErrRateLimited, ErrUnavailable, and a few times ErrInternal)
// are not returned: Send repeats the message, over as many connections as it takes.
// What is returned is final, such as ErrForbidden, ErrBlocked, ErrRejected, ErrNotFound,
// ErrInvalid, ErrTooLarge or ErrIdempotencyConflict; or ErrClosed.
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

// MarkRead marks everything up to seq as read by the user. The position never goes
// back, and a seq above the head counts as the head. It is sent like a message.
func (c *Client) MarkRead(ctx context.Context, id ConversationID, seq int64) (ReadState, error) {
	var state ReadState
	err := c.request(ctx, &call{}, func(request string) any {
		return readFrame{Type: "read", ID: request, ConversationID: id, Seq: seq}
	}, &state)
	return state, err
}

// SetTyping shows the other members that the user is typing, or no longer is. Call it
// at most once a second and repeat it while the user types: the server forgets it
// after 6 s. It is sent at most once, and not at all without a connection.
func (c *Client) SetTyping(ctx context.Context, id ConversationID, on bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.do(func(e *engine) {
		if e.send != nil {
			e.send(encode(typingFrame{Type: "typing", ConversationID: id, On: on}))
		}
	})
}

// Watch replaces the list of users whose presence OnSignal receives: now, and whenever
// it changes. The list outlasts connections. It is ErrInvalid to watch more than
// Limits.WatchUsers users.
func (c *Client) Watch(ctx context.Context, users ...UserID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var refusal error
	err := c.do(func(e *engine) {
		if len(users) > e.limits.WatchUsers {
			refusal = domain.Invalid("/user_ids", "more than watch_users")
			return
		}
		e.watched = slices.Concat([]UserID{}, users)
		e.watch()
	})
	if err != nil {
		return err
	}
	return refusal
}
