package rest

import (
	"context"
	"net/http"

	"im/domain"
	"im/rest/api"
)

// Searcher finds messages among what the actor may read. domain.ErrInvalid at /q
// if there is nothing to look for in it.
type Searcher interface {
	SearchMessages(ctx context.Context, a domain.Actor, q domain.SearchQuery) (domain.SearchPage, error)
}

// SearchMessages implements api.RawHandler.
func (h *handler) SearchMessages(ctx context.Context, params api.SearchMessagesParams, w http.ResponseWriter) error {
	q := domain.SearchQuery{Text: params.Q, Sender: domain.UserID(params.Sender.Value)}
	if params.ConversationID.Set {
		id, err := conversationID(params.ConversationID.Value)
		if err != nil {
			return err
		}
		q.ConversationID = &id
	}
	if params.Since.Set {
		q.Since = new(domain.TimeOf(params.Since.Value))
	}
	if params.Until.Set {
		q.Until = new(domain.TimeOf(params.Until.Value))
	}
	var err error
	if q.Limit, err = limitOf(params.Limit, h.limits.ListPage); err != nil {
		return err
	}
	if q.Cursor, err = cursorOf(params.Cursor); err != nil {
		return err
	}
	page, err := h.searcher.SearchMessages(ctx, callerOf(ctx).Actor, q)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, page)
	return nil
}
