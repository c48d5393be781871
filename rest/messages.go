package rest

import (
	"context"
	"encoding/json"
	"net/http"

	"im/domain"
	"im/rest/api"
)

// SendMessage implements api.RawHandler.
func (h *handler) SendMessage(ctx context.Context, req *api.SendMessage, params api.SendMessageParams, w http.ResponseWriter) error {
	id, err := conversationID(params.ConversationID)
	if err != nil {
		return err
	}
	return h.send(ctx, w, domain.Post{
		ConversationID: id, ClientMsgID: string(req.ClientMsgID), Content: json.RawMessage(req.Content),
		ReplyTo: seq(req.ReplyTo), Mentions: userIDs(req.Mentions), Metadata: json.RawMessage(req.Metadata.Value),
	})
}

// SendToUser implements api.RawHandler.
func (h *handler) SendToUser(ctx context.Context, req *api.SendToUser, _ api.SendToUserParams, w http.ResponseWriter) error {
	return h.send(ctx, w, domain.Post{
		To: domain.UserID(req.To), ClientMsgID: string(req.ClientMsgID), Content: json.RawMessage(req.Content),
		ReplyTo: seq(req.ReplyTo), Mentions: userIDs(req.Mentions), Metadata: json.RawMessage(req.Metadata.Value),
	})
}

// send posts and waits for the commit. A call that runs out of time is answered
// as unavailable, whatever becomes of the message: its id makes it the same one.
func (h *handler) send(ctx context.Context, w http.ResponseWriter, p domain.Post) error {
	type outcome struct {
		sent domain.Sent
		err  error
	}
	done := make(chan outcome, 1)
	h.sender.Send(ctx, callerOf(ctx).Actor, p, func(s domain.Sent, err error) { done <- outcome{s, err} })
	var o outcome
	select {
	case o = <-done:
	case <-ctx.Done():
		return domain.ErrUnavailable.WithCause(context.Cause(ctx))
	}
	if o.err != nil {
		return o.err
	}
	status := http.StatusCreated
	if o.sent.Duplicate {
		status = http.StatusOK
	}
	writeEvent(w, status, &o.sent.Event)
	return nil
}

// ListMessages implements api.RawHandler.
func (h *handler) ListMessages(ctx context.Context, params api.ListMessagesParams, w http.ResponseWriter) error {
	id, err := conversationID(params.ConversationID)
	if err != nil {
		return err
	}
	r := domain.Range{
		AfterSeq: seq(params.AfterSeq), BeforeSeq: seq(params.BeforeSeq), AroundSeq: seq(params.AroundSeq), Seqs: params.Seq,
		AsOfSeq: seq(params.AsOfSeq),
	}
	if params.AsOf.Set {
		r.AsOf = new(domain.TimeOf(params.AsOf.Value))
	}
	if params.AroundAt.Set {
		r.AroundAt = new(domain.TimeOf(params.AroundAt.Value))
	}
	if err := onePosition(map[string]bool{
		"/after_seq": params.AfterSeq.Set, "/before_seq": params.BeforeSeq.Set, "/around_seq": params.AroundSeq.Set,
		"/around_at": params.AroundAt.Set, "/seq": len(params.Seq) > 0,
	}); err != nil {
		return err
	}
	if r.AsOfSeq != nil && r.AsOf != nil {
		return domain.Invalid("/as_of", "excludes as_of_seq")
	}
	if len(params.Seq) > h.limits.PageEvents {
		return domain.Invalid("/seq", "is repeated more often than a page may have messages")
	}
	if r.Limit, err = limitOf(params.Limit, h.limits.PageEvents); err != nil {
		return err
	}
	page, err := h.history.Messages(ctx, callerOf(ctx).Actor, id, r)
	if err != nil {
		return err
	}
	writePage(w, &page)
	return nil
}

// GetMessage implements api.RawHandler.
func (h *handler) GetMessage(ctx context.Context, params api.GetMessageParams, w http.ResponseWriter) error {
	id, err := conversationID(params.ConversationID)
	if err != nil {
		return err
	}
	message, err := h.history.Message(ctx, callerOf(ctx).Actor, id, params.Seq)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, message)
	return nil
}

// ListEvents implements api.RawHandler.
func (h *handler) ListEvents(ctx context.Context, params api.ListEventsParams, w http.ResponseWriter) error {
	id, err := conversationID(params.ConversationID)
	if err != nil {
		return err
	}
	r := domain.Range{AfterSeq: seq(params.AfterSeq), BeforeSeq: seq(params.BeforeSeq)}
	if err := onePosition(map[string]bool{"/after_seq": params.AfterSeq.Set, "/before_seq": params.BeforeSeq.Set}); err != nil {
		return err
	}
	if r.Limit, err = limitOf(params.Limit, h.limits.PageEvents); err != nil {
		return err
	}
	page, err := h.history.Events(ctx, callerOf(ctx).Actor, id, r)
	if err != nil {
		return err
	}
	writePage(w, &page)
	return nil
}

// onePosition refuses more than one of the given.
func onePosition(given map[string]bool) error {
	refused, n := domain.ErrInvalid.WithMessage("positions exclude each other"), 0
	for pointer, there := range given {
		if there {
			n++
			refused = refused.WithField(pointer, "one position at a time")
		}
	}
	if n > 1 {
		return refused
	}
	return nil
}

func seq(o api.OptInt64) *int64 {
	if !o.Set {
		return nil
	}
	return &o.Value
}
