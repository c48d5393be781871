package rest

import (
	"context"
	"encoding/json"
	"net/http"

	"im/domain"
	"im/rest/api"
)

// MarkRead implements api.RawHandler. All of the user's sessions are told.
func (h *handler) MarkRead(ctx context.Context, req *api.MarkRead, params api.MarkReadParams, w http.ResponseWriter) error {
	id, err := conversationID(params.ConversationID)
	if err != nil {
		return err
	}
	who := callerOf(ctx)
	state, err := h.positions.MarkRead(ctx, who.Actor, id, req.Seq)
	if err != nil {
		return err
	}
	frame, err := json.Marshal(struct {
		Type string `json:"type"`
		domain.ReadState
	}{"read_state", state})
	if err != nil {
		return err
	}
	h.signaller.Signal(domain.UserFrame{User: who.User, Frame: frame})
	writeJSON(w, http.StatusOK, state)
	return nil
}

// Acknowledge implements api.Handler. It is written behind, and so would not
// tell a stranger from a member; the conversation is asked first.
func (h *handler) Acknowledge(ctx context.Context, req *api.Acknowledge, params api.AcknowledgeParams) (api.AcknowledgeRes, error) {
	id, err := conversationID(params.ConversationID)
	if err != nil {
		return nil, err
	}
	who := callerOf(ctx)
	device, err := deviceOf(who, string(req.DeviceID))
	if err != nil {
		return nil, err
	}
	if _, err := h.conversations.Conversation(ctx, who.Actor, id, device); err != nil {
		return nil, err
	}
	ack := domain.Ack{User: who.User, Device: device, ConversationID: id, Seq: req.Seq}
	if err := h.positions.Acknowledge(ctx, []domain.Ack{ack}); err != nil {
		return nil, err
	}
	return &api.AcknowledgeNoContent{}, nil
}
