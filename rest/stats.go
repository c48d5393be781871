package rest

import (
	"errors"
	"net/http"

	"im/domain"
)

func (h *handler) getStats(w http.ResponseWriter, r *request) error {
	if err := r.checkBackend(); err != nil {
		return err
	}
	stats, err := h.Sessions.ClusterStats(r.Context())
	if err != nil {
		return err
	}
	messages, err := h.Reads.MessageCount(r.Context())
	return writeResult(w, struct {
		domain.ClusterStats
		Messages int64 `json:"messages"`
	}{stats, messages}, err)
}

// traceMessage adds where the members are connected, if that is known. What is
// stored is answered in any case.
func (h *handler) traceMessage(w http.ResponseWriter, r *request) error {
	id, seq := r.conversationID(), r.seq()
	cursor, limit := r.page(h.limits.ListPage)
	if err := r.checkBackend(); err != nil {
		return err
	}
	trace, err := h.Reads.Trace(r.Context(), id, seq, cursor, limit)
	if err != nil {
		return err
	}
	users := make([]domain.UserID, len(trace.Items))
	for i, m := range trace.Items {
		users[i] = m.UserID
	}
	sessions, err := h.Sessions.SessionsOfEach(r.Context(), users)
	switch {
	case err == nil:
		trace.AddSessions(sessions)
	case !errors.Is(err, domain.ErrUnavailable):
		return err
	}
	writeJSON(w, http.StatusOK, trace)
	return nil
}
