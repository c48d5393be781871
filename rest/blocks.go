package rest

import (
	"context"
	"net/http"

	"im/domain"
	"im/rest/api"
)

// Blocks keeps who will not hear from whom. SetBlock holds on every node when it
// returns.
type Blocks interface {
	SetBlock(ctx context.Context, by, user domain.UserID, on bool) error
	Blocks(ctx context.Context, by domain.UserID, cursor string, limit int) (domain.Page[domain.Block], error)
}

// ListBlocks implements api.RawHandler.
func (h *handler) ListBlocks(ctx context.Context, params api.ListBlocksParams, w http.ResponseWriter) error {
	limit, err := limitOf(params.Limit, h.limits.ListPage)
	if err != nil {
		return err
	}
	cursor, err := cursorOf(params.Cursor)
	if err != nil {
		return err
	}
	page, err := h.blocks.Blocks(ctx, callerOf(ctx).User, cursor, limit)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, page)
	return nil
}

// Block implements api.Handler.
func (h *handler) Block(ctx context.Context, params api.BlockParams) (api.BlockRes, error) {
	return &api.BlockNoContent{}, h.setBlock(ctx, params.UserID, true)
}

// Unblock implements api.Handler.
func (h *handler) Unblock(ctx context.Context, params api.UnblockParams) (api.UnblockRes, error) {
	return &api.UnblockNoContent{}, h.setBlock(ctx, params.UserID, false)
}

func (h *handler) setBlock(ctx context.Context, id api.UserID, on bool) error {
	by, user := callerOf(ctx).User, domain.UserID(id)
	if err := domain.CheckBlock(by, user); err != nil {
		return err
	}
	if err := h.blocks.SetBlock(ctx, by, user, on); err != nil {
		return err
	}
	h.signaller.Signal(domain.PresenceChanged{User: by}) // another may see it now, or no longer
	return nil
}
