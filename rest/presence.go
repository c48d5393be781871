package rest

import (
	"context"
	"net/http"

	"im/domain"
	"im/rest/api"
)

// Presence tells who is online, as far as the actor may know.
type Presence interface {
	// Of answers for each of the users, in their order.
	Of(ctx context.Context, a domain.Actor, users []domain.UserID) ([]domain.Presence, error)
}

// GetPresence implements api.RawHandler.
func (h *handler) GetPresence(ctx context.Context, params api.GetPresenceParams, w http.ResponseWriter) error {
	list, err := h.presence.Of(ctx, callerOf(ctx).Actor, userIDs(params.UserID))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, domain.Page[domain.Presence]{Items: list})
	return nil
}
