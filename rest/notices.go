package rest

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"

	"im/domain"
)

func (h *handler) notifyUser(w http.ResponseWriter, r *request) error {
	user := r.userID()
	signal := func(frame json.RawMessage) domain.Signal { return domain.UserFrame{User: user, Frame: frame} }
	return h.notify(w, r, signal, func() (domain.NoticeResult, error) {
		list, err := h.Sessions.SessionsOf(r.Context(), user)
		result := domain.NoticeResult{Sessions: len(list)}
		if slices.ContainsFunc(list, func(s domain.LiveSession) bool { return !s.Background }) {
			result.Online = 1
		}
		return result, err
	})
}

func (h *handler) notifyAll(w http.ResponseWriter, r *request) error {
	signal := func(frame json.RawMessage) domain.Signal { return domain.Broadcast{Frame: frame} }
	return h.notify(w, r, signal, func() (domain.NoticeResult, error) {
		c, err := h.Sessions.ClusterStats(r.Context())
		return domain.NoticeResult{Online: c.OnlineUsers, Sessions: c.Sessions}, err
	})
}

// notify signals a notice to the sessions that count counts. They are counted
// first: a call that fails has sent nothing and may be repeated.
func (h *handler) notify(
	w http.ResponseWriter, r *request, signal func(frame json.RawMessage) domain.Signal, count func() (domain.NoticeResult, error),
) error {
	body := r.object("biz_type", "data")
	bizType, data := body.text("biz_type", 0), body.raw("data")
	if err := r.checkBackend(); err != nil {
		return err
	}
	notice, err := domain.NewNotice(rand.Text(), bizType, data, h.limits)
	if err != nil {
		return err
	}
	result, err := count()
	if err != nil {
		return err
	}
	h.Signals.Signal(signal(jsonOf(notice)))
	writeJSON(w, http.StatusOK, struct {
		NoticeID string `json:"notice_id"`
		domain.NoticeResult
	}{notice.NoticeID, result})
	return nil
}
