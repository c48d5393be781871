package rest

import (
	"context"
	"net/http"
	"slices"
	"time"

	"im/domain"
)

func (h *handler) listSessions(w http.ResponseWriter, r *request) error {
	if err := r.check(); err != nil {
		return err
	}
	list, err := h.Sessions.SessionsOf(r.Context(), r.User)
	for i := range list {
		list[i].Current = r.device != "" && list[i].DeviceID == r.device
	}
	return writeResult(w, domain.Page[domain.LiveSession]{Items: list}, err)
}

func (h *handler) endSession(w http.ResponseWriter, r *request) error {
	session := r.sessionID()
	if err := r.check(); err != nil {
		return err
	}
	list, err := h.Sessions.SessionsOf(r.Context(), r.User)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(list, func(s domain.LiveSession) bool { return s.SessionID == session })
	if at < 0 {
		return domain.ErrNotFound
	}
	// The user logs the device out, so it gets no more notifications. First, because the call
	// finds no session when it is repeated.
	if err := h.Push.RemovePush(r.Context(), r.User, list[at].DeviceID); err != nil {
		return err
	}
	end, err := h.Endings.EndSession(r.Context(), r.User, session)
	if err != nil {
		return err
	}
	h.Signals.Signal(end)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// endSessions revokes tokens first. A session that begins at the same time
// either finds its token revoked, or is one of the sessions that end.
func (h *handler) endSessions(w http.ResponseWriter, r *request) error {
	user, revoke := r.userID(), r.flag("revoke")
	if err := r.checkBackend(); err != nil {
		return err
	}
	var revoked time.Time
	if revoke {
		var err error
		if revoked, err = h.Endings.Revoke(r.Context(), user); err != nil {
			return err
		}
	}
	end, err := h.Endings.EndSessions(r.Context(), user, domain.CloseEnded)
	if err != nil {
		return err
	}
	h.Signals.Signal(end)
	if revoke {
		err = untilNextSecond(r.Context(), revoked)
	}
	return writeDone(w, err)
}

// untilNextSecond waits until the second of t is over, but at most one second:
// the clock of the database and the node's clock may differ.
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
