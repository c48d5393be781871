package rest

import (
	"net/http"

	"im/domain"
)

// markRead also sends the new read state to all sessions of the user.
func (h *handler) markRead(w http.ResponseWriter, r *request) error {
	id, body := r.conversationID(), r.object("seq")
	seq := body.integer("seq", 0)
	if err := r.check(); err != nil {
		return err
	}
	state, err := h.Positions.MarkRead(r.Context(), r.Actor, id, *seq)
	if err != nil {
		return err
	}
	h.Signals.Signal(domain.UserFrame{User: r.User, Frame: jsonOf(struct {
		Type string `json:"type"`
		domain.ReadState
	}{"read_state", state})})
	writeJSON(w, http.StatusOK, state)
	return nil
}

// acknowledge reads the conversation only to check that the user is a member. The
// acknowledgement is written later, in a batch, without that check.
func (h *handler) acknowledge(w http.ResponseWriter, r *request) error {
	id, body := r.conversationID(), r.object("device_id", "seq")
	device := r.ownDevice(body.text("device_id", 0), body.Has("device_id"))
	seq := body.integer("seq", 0)
	if err := r.check(); err != nil {
		return err
	}
	if _, err := h.Reads.Conversation(r.Context(), r.Actor, id, device); err != nil {
		return err
	}
	ack := domain.Ack{User: r.User, Device: device, ConversationID: id, Seq: *seq}
	return writeDone(w, h.Positions.Acknowledge(r.Context(), []domain.Ack{ack}))
}

func (h *handler) listReceipts(w http.ResponseWriter, r *request) error {
	id := r.conversationID()
	cursor, limit := r.page(h.limits.ListPage)
	if err := r.check(); err != nil {
		return err
	}
	page, err := h.Reads.Receipts(r.Context(), r.Actor, id, cursor, limit)
	return writeResult(w, page, err)
}
