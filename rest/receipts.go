package rest

import (
	"context"
	"net/http"

	"im/domain"
	"im/rest/api"
)

// Receipts lists how far the members of a conversation have come.
type Receipts interface {
	Receipts(ctx context.Context, a domain.Actor, id domain.ConversationID, cursor string, limit int) (domain.Page[domain.MemberReceipt], error)
}

// ListReceipts implements api.RawHandler.
func (h *handler) ListReceipts(ctx context.Context, params api.ListReceiptsParams, w http.ResponseWriter) error {
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
	page, err := h.receipts.Receipts(ctx, callerOf(ctx).Actor, id, cursor, limit)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, page)
	return nil
}
