package rest

import (
	"context"
	"net/http"

	"im/domain"
)

func (h *handler) sendMessage(w http.ResponseWriter, r *request) error {
	id, body := r.conversationID(), r.object("client_msg_id", "content")
	post := body.post()
	post.ConversationID = id
	return h.send(w, r, post)
}

func (h *handler) sendToUser(w http.ResponseWriter, r *request) error {
	body := r.object("to", "client_msg_id", "content")
	post := body.post()
	post.To = domain.UserID(body.text("to", 0))
	return h.send(w, r, post)
}

// post reads the fields of a send. The conversation is up to the caller.
func (o object) post() domain.Post {
	return domain.Post{
		ClientMsgID: o.text("client_msg_id", 64), Content: o.raw("content"), ReplyTo: o.integer("reply_to", 1),
		Mentions: o.userIDs("mentions", domain.Everyone), Metadata: o.raw("metadata"),
	}
}

func (h *handler) send(w http.ResponseWriter, r *request, p domain.Post) error {
	if err := r.check(); err != nil {
		return err
	}
	sent, err := h.commit(r.Context(), r.Actor, p)
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if sent.Duplicate {
		status = http.StatusOK
	}
	writeEvent(w, status, &sent.Event)
	return nil
}

// commit submits a message and waits until it is committed or refused. If ctx ends
// first, commit returns domain.ErrUnavailable, but the message may still be committed.
// A second call with the same client_msg_id then returns that message.
func (h *handler) commit(ctx context.Context, a domain.Actor, p domain.Post) (domain.Sent, error) {
	type outcome struct {
		sent domain.Sent
		err  error
	}
	done := make(chan outcome, 1)
	h.Commands.Send(ctx, a, p, func(s domain.Sent, err error) { done <- outcome{s, err} })
	select {
	case o := <-done:
		return o.sent, o.err
	case <-ctx.Done():
		return domain.Sent{}, domain.ErrUnavailable.WithCause(context.Cause(ctx))
	}
}

func (h *handler) listMessages(w http.ResponseWriter, r *request) error {
	id := r.conversationID()
	q := domain.Range{
		AfterSeq: r.integer("after_seq", 0), BeforeSeq: r.integer("before_seq", 0), AroundSeq: r.integer("around_seq", 1),
		AroundAt: r.time("around_at"), Seqs: r.integers("seq", 1), Limit: r.limit(h.limits.PageEvents),
		AsOfSeq: r.integer("as_of_seq", 1), AsOf: r.time("as_of"),
	}
	if q.AsOfSeq != nil && q.AsOf != nil {
		r.reject("as_of", "excludes as_of_seq")
	}
	if len(q.Seqs) > h.limits.PageEvents {
		r.reject("seq", "is repeated more often than a page may have messages")
	}
	if err := r.check(); err != nil {
		return err
	}
	if err := r.atMostOne("after_seq", "before_seq", "around_seq", "around_at", "seq"); err != nil {
		return err
	}
	page, err := h.Reads.Messages(r.Context(), r.Actor, id, q)
	return writePage(w, &page, err)
}

func (h *handler) listEvents(w http.ResponseWriter, r *request) error {
	id := r.conversationID()
	q := domain.Range{
		AfterSeq: r.integer("after_seq", 0), BeforeSeq: r.integer("before_seq", 0), Limit: r.limit(h.limits.PageEvents),
	}
	if err := r.check(); err != nil {
		return err
	}
	if err := r.atMostOne("after_seq", "before_seq"); err != nil {
		return err
	}
	page, err := h.Reads.Events(r.Context(), r.Actor, id, q)
	return writePage(w, &page, err)
}

// atMostOne returns an error if the query has more than one of the parameters.
func (r *request) atMostOne(names ...string) error {
	refused := domain.ErrInvalid.WithMessage("positions exclude each other")
	for _, name := range names {
		if r.query.Has(name) {
			refused = refused.WithField(pointer(name), "one position at a time")
		}
	}
	if len(refused.Fields) > 1 {
		return refused
	}
	return nil
}

func (h *handler) getMessage(w http.ResponseWriter, r *request) error {
	id, seq := r.conversationID(), r.seq()
	if err := r.check(); err != nil {
		return err
	}
	message, err := h.Reads.Message(r.Context(), r.Actor, id, seq)
	return writeResult(w, message, err)
}

func (h *handler) searchMessages(w http.ResponseWriter, r *request) error {
	q := domain.SearchQuery{Since: r.time("since"), Until: r.time("until")}
	q.Cursor, q.Limit = r.page(h.limits.ListPage)
	var given bool
	if q.Text, given = r.text("q", domain.MaxQueryChars); !given {
		r.reject("q", "is required")
	}
	if text, given := r.value("conversation_id"); given {
		id, err := domain.ParseConversationID("/conversation_id", text)
		r.refuse(err)
		q.ConversationID = &id
	}
	if text, given := r.value("sender"); given {
		user, err := domain.ParseUserID("/sender", text)
		r.refuse(err)
		q.Sender = user
	}
	if err := r.check(); err != nil {
		return err
	}
	page, err := h.Reads.SearchMessages(r.Context(), r.Actor, q)
	return writeResult(w, page, err)
}
