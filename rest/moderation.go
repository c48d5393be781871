package rest

import (
	"net/http"

	"im/domain"
)

func (h *handler) editMessage(w http.ResponseWriter, r *request) error {
	id, seq, body := r.conversationID(), r.seq(), r.object("content")
	want := domain.Edit{Content: body.raw("content"), Mentions: body.userIDs("mentions", domain.Everyone)}
	if err := r.check(); err != nil {
		return err
	}
	events, err := h.Commands.EditMessage(r.Context(), r.Actor, id, seq, want)
	return writeChange(w, events, err)
}

func (h *handler) recallMessage(w http.ResponseWriter, r *request) error {
	id, seq := r.conversationID(), r.seq()
	reason, _ := r.text("reason", 0)
	if err := r.check(); err != nil {
		return err
	}
	events, err := h.Commands.RecallMessage(r.Context(), r.Actor, id, seq, reason)
	return writeChange(w, events, err)
}

func (h *handler) react(w http.ResponseWriter, r *request) error {
	id, seq, emoji := r.conversationID(), r.seq(), r.emoji()
	if err := r.check(); err != nil {
		return err
	}
	events, err := h.Commands.React(r.Context(), r.Actor, id, seq, emoji)
	return writeChange(w, events, err)
}

func (h *handler) unreact(w http.ResponseWriter, r *request) error {
	id, seq, emoji := r.conversationID(), r.seq(), r.emoji()
	if err := r.check(); err != nil {
		return err
	}
	events, err := h.Commands.Unreact(r.Context(), r.Actor, id, seq, emoji)
	return writeChange(w, events, err)
}

func (h *handler) listReactions(w http.ResponseWriter, r *request) error {
	id, seq := r.conversationID(), r.seq()
	cursor, limit := r.page(h.limits.ListPage)
	if err := r.check(); err != nil {
		return err
	}
	page, err := h.Reads.Reactions(r.Context(), r.Actor, id, seq, cursor, limit)
	return writeResult(w, page, err)
}

func (h *handler) pinMessage(w http.ResponseWriter, r *request) error {
	id, seq := r.conversationID(), r.seq()
	if err := r.check(); err != nil {
		return err
	}
	events, err := h.Commands.Pin(r.Context(), r.Actor, id, seq)
	return writeChange(w, events, err)
}

func (h *handler) unpinMessage(w http.ResponseWriter, r *request) error {
	id, seq := r.conversationID(), r.seq()
	if err := r.check(); err != nil {
		return err
	}
	events, err := h.Commands.Unpin(r.Context(), r.Actor, id, seq)
	return writeChange(w, events, err)
}

func (h *handler) listPins(w http.ResponseWriter, r *request) error {
	id := r.conversationID()
	cursor, limit := r.page(h.limits.ListPage)
	if err := r.check(); err != nil {
		return err
	}
	page, err := h.Reads.Pins(r.Context(), r.Actor, id, cursor, limit)
	return writeResult(w, page, err)
}
