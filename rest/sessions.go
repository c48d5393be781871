package rest

import (
	"context"
	"net/http"
	"slices"
	"time"

	"im/domain"
	"im/rest/api"
)

// Live knows the live sessions of the whole cluster.
type Live interface {
	SessionsOf(ctx context.Context, user domain.UserID) ([]domain.LiveSession, error)
	// SessionsOfEach has no entry for who has none; never nil without an error.
	SessionsOfEach(ctx context.Context, users []domain.UserID) (map[domain.UserID][]domain.LiveSession, error)
	ClusterStats(ctx context.Context) (domain.ClusterStats, error)
}

// Endings ends sessions for certain: all nodes come to know, in 2 s at most.
// What is returned may be signalled besides, which is faster.
type Endings interface {
	EndSession(ctx context.Context, user domain.UserID, session domain.SessionID) (domain.EndSessions, error)
	EndSessions(ctx context.Context, user domain.UserID) (domain.EndSessions, error)
	// Revoke has tokens refused that were issued before the time it returns.
	Revoke(ctx context.Context, user domain.UserID) (before time.Time, err error)
}

// ListSessions implements api.RawHandler.
func (h *handler) ListSessions(ctx context.Context, _ api.ListSessionsParams, w http.ResponseWriter) error {
	who := callerOf(ctx)
	list, err := h.live.SessionsOf(ctx, who.User)
	if err != nil {
		return err
	}
	for i := range list {
		list[i].Current = who.device != "" && list[i].DeviceID == who.device
	}
	writeJSON(w, http.StatusOK, domain.Page[domain.LiveSession]{Items: list})
	return nil
}

// EndSession implements api.Handler.
func (h *handler) EndSession(ctx context.Context, params api.EndSessionParams) (api.EndSessionRes, error) {
	user, session := callerOf(ctx).User, domain.SessionID(params.SessionID)
	list, err := h.live.SessionsOf(ctx, user)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(list, func(s domain.LiveSession) bool { return s.SessionID == session }) {
		return nil, domain.ErrNotFound
	}
	end, err := h.endings.EndSession(ctx, user, session)
	if err != nil {
		return nil, err
	}
	h.signaller.Signal(end)
	return &api.EndSessionNoContent{}, nil
}

// EndSessions implements api.Handler. Tokens are revoked first: a session that
// begins meanwhile sees that, or is among those that end.
func (h *handler) EndSessions(ctx context.Context, params api.EndSessionsParams) (api.EndSessionsRes, error) {
	if err := asBackend(ctx); err != nil {
		return nil, err
	}
	user, err := domain.ParseUserID("/user_id", string(params.UserID))
	if err != nil {
		return nil, err
	}
	var revoked time.Time
	if params.Revoke.Value {
		if revoked, err = h.endings.Revoke(ctx, user); err != nil {
			return nil, err
		}
	}
	end, err := h.endings.EndSessions(ctx, user)
	if err != nil {
		return nil, err
	}
	h.signaller.Signal(end)
	if !revoked.IsZero() {
		return &api.EndSessionsNoContent{}, untilNextSecond(ctx, revoked)
	}
	return &api.EndSessionsNoContent{}, nil
}

// untilNextSecond waits for the second of t to end, but never longer than one:
// the clocks of the database and of this node may differ.
func untilNextSecond(ctx context.Context, t time.Time) error {
	rest := min(time.Until(t.Truncate(time.Second).Add(time.Second)), time.Second)
	timer := time.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
