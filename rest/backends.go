package rest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"

	"im/domain"
	"im/rest/api"
)

// Counts knows how much was written.
type Counts interface {
	MessageCount(ctx context.Context) (int64, error)
}

// NotifyUser implements api.RawHandler.
func (h *handler) NotifyUser(ctx context.Context, req *api.SendNotice, params api.NotifyUserParams, w http.ResponseWriter) error {
	user, err := domain.ParseUserID("/user_id", string(params.UserID))
	if err != nil {
		return err
	}
	signal := func(frame json.RawMessage) domain.Signal { return domain.UserFrame{User: user, Frame: frame} }
	return h.notify(ctx, w, req, signal, func() (domain.NoticeResult, error) {
		list, err := h.live.SessionsOf(ctx, user)
		reach := domain.NoticeResult{Sessions: len(list)}
		for _, s := range list {
			if !s.Background {
				reach.Online = 1
			}
		}
		return reach, err
	})
}

// NotifyAll implements api.RawHandler.
func (h *handler) NotifyAll(ctx context.Context, req *api.SendNotice, _ api.NotifyAllParams, w http.ResponseWriter) error {
	signal := func(frame json.RawMessage) domain.Signal { return domain.Broadcast{Frame: frame} }
	return h.notify(ctx, w, req, signal, func() (domain.NoticeResult, error) {
		c, err := h.live.ClusterStats(ctx)
		return domain.NoticeResult{Online: c.OnlineUsers, Sessions: c.Sessions}, err
	})
}

// notify signals a notice to sessions. They are counted first: a call that fails has
// sent nothing and can be repeated.
func (h *handler) notify(
	ctx context.Context, w http.ResponseWriter, req *api.SendNotice,
	signal func(frame json.RawMessage) domain.Signal, count func() (domain.NoticeResult, error),
) error {
	if err := asBackend(ctx); err != nil {
		return err
	}
	notice, err := domain.NewNotice(rand.Text(), req.BizType, req.Data, h.limits)
	if err != nil {
		return err
	}
	reach, err := count()
	if err != nil {
		return err
	}
	h.signaller.Signal(signal(frameOf(notice)))
	writeJSON(w, http.StatusOK, struct {
		NoticeID string `json:"notice_id"`
		domain.NoticeResult
	}{notice.NoticeID, reach})
	return nil
}

// GetStats implements api.RawHandler.
func (h *handler) GetStats(ctx context.Context, _ api.GetStatsParams, w http.ResponseWriter) error {
	if err := asBackend(ctx); err != nil {
		return err
	}
	census, err := h.live.ClusterStats(ctx)
	if err != nil {
		return err
	}
	messages, err := h.counts.MessageCount(ctx)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		domain.ClusterStats
		Messages int64 `json:"messages"`
	}{census, messages})
	return nil
}
