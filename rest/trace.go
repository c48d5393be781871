package rest

import (
	"context"
	"errors"
	"net/http"

	"im/domain"
	"im/rest/api"
)

// Traces tells how far messages have come. It does not judge who asks.
type Traces interface {
	Trace(ctx context.Context, id domain.ConversationID, seq int64, cursor string, limit int) (domain.Trace, error)
}

// TraceMessage implements api.RawHandler. Where members are connected is added as
// far as it is known: what is stored is told without.
func (h *handler) TraceMessage(ctx context.Context, params api.TraceMessageParams, w http.ResponseWriter) error {
	if err := asBackend(ctx); err != nil {
		return err
	}
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
	trace, err := h.traces.Trace(ctx, id, params.Seq, cursor, limit)
	if err != nil {
		return err
	}
	users := make([]domain.UserID, len(trace.Items))
	for i, m := range trace.Items {
		users[i] = m.UserID
	}
	sessions, err := h.live.SessionsOfEach(ctx, users)
	if err != nil && !errors.Is(err, domain.ErrUnavailable) {
		return err
	}
	if err == nil {
		trace.AddSessions(sessions)
	}
	writeJSON(w, http.StatusOK, trace)
	return nil
}
