package rest

import (
	"context"
	"encoding/json"
	"net/http"

	"im/domain"
	"im/rest/api"
)

// EditMessage implements api.RawHandler.
func (h *handler) EditMessage(ctx context.Context, req *api.EditMessage, params api.EditMessageParams, w http.ResponseWriter) error {
	want := domain.Edit{Content: json.RawMessage(req.Content), Mentions: userIDs(req.Mentions)}
	return h.change(w, params.ConversationID, func(id domain.ConversationID) ([]domain.Event, error) {
		return h.moderator.EditMessage(ctx, callerOf(ctx).Actor, id, params.Seq, want)
	})
}

// RecallMessage implements api.RawHandler.
func (h *handler) RecallMessage(ctx context.Context, params api.RecallMessageParams, w http.ResponseWriter) error {
	return h.change(w, params.ConversationID, func(id domain.ConversationID) ([]domain.Event, error) {
		return h.moderator.RecallMessage(ctx, callerOf(ctx).Actor, id, params.Seq, params.Reason.Value)
	})
}

// React implements api.RawHandler.
func (h *handler) React(ctx context.Context, params api.ReactParams, w http.ResponseWriter) error {
	return h.change(w, params.ConversationID, func(id domain.ConversationID) ([]domain.Event, error) {
		return h.moderator.React(ctx, callerOf(ctx).Actor, id, params.Seq, params.Emoji)
	})
}

// Unreact implements api.RawHandler.
func (h *handler) Unreact(ctx context.Context, params api.UnreactParams, w http.ResponseWriter) error {
	return h.change(w, params.ConversationID, func(id domain.ConversationID) ([]domain.Event, error) {
		return h.moderator.Unreact(ctx, callerOf(ctx).Actor, id, params.Seq, params.Emoji)
	})
}

// PinMessage implements api.RawHandler.
func (h *handler) PinMessage(ctx context.Context, params api.PinMessageParams, w http.ResponseWriter) error {
	return h.change(w, params.ConversationID, func(id domain.ConversationID) ([]domain.Event, error) {
		return h.moderator.Pin(ctx, callerOf(ctx).Actor, id, params.Seq)
	})
}

// UnpinMessage implements api.RawHandler.
func (h *handler) UnpinMessage(ctx context.Context, params api.UnpinMessageParams, w http.ResponseWriter) error {
	return h.change(w, params.ConversationID, func(id domain.ConversationID) ([]domain.Event, error) {
		return h.moderator.Unpin(ctx, callerOf(ctx).Actor, id, params.Seq)
	})
}

// change answers with the event that a change of a conversation made.
func (h *handler) change(
	w http.ResponseWriter, in api.ConversationID, do func(domain.ConversationID) ([]domain.Event, error),
) error {
	id, err := conversationID(in)
	if err != nil {
		return err
	}
	events, err := do(id)
	if err != nil {
		return err
	}
	writeChange(w, http.StatusOK, events)
	return nil
}

// ListReactions implements api.RawHandler.
func (h *handler) ListReactions(ctx context.Context, params api.ListReactionsParams, w http.ResponseWriter) error {
	id, err := conversationID(params.ConversationID)
	if err != nil {
		return err
	}
	limit, err := limitOf(params.Limit, h.limits.ListPage)
	if err != nil {
		return err
	}
	cursor, err := cursorOf(params.Cursor)
	if err != nil {
		return err
	}
	page, err := h.history.Reactions(ctx, callerOf(ctx).Actor, id, params.Seq, cursor, limit)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, page)
	return nil
}

// ListPins implements api.RawHandler.
func (h *handler) ListPins(ctx context.Context, params api.ListPinsParams, w http.ResponseWriter) error {
	id, err := conversationID(params.ConversationID)
	if err != nil {
		return err
	}
	limit, err := limitOf(params.Limit, h.limits.ListPage)
	if err != nil {
		return err
	}
	cursor, err := cursorOf(params.Cursor)
	if err != nil {
		return err
	}
	page, err := h.history.Pins(ctx, callerOf(ctx).Actor, id, cursor, limit)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, page)
	return nil
}
