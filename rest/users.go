package rest

import (
	"net/http"

	"im/domain"
)

func (h *handler) getUsers(w http.ResponseWriter, r *request) error {
	ids := r.userIDs()
	if err := r.check(); err != nil {
		return err
	}
	users, err := h.UserData.Users(r.Context(), r.Actor, ids)
	return writeResult(w, struct {
		Users map[domain.UserID]domain.UserProfile `json:"users"`
	}{users}, err)
}

func (h *handler) putUser(w http.ResponseWriter, r *request) error {
	user, body := r.userID(), r.object()
	p := domain.UserProfile{
		Profile:  domain.Profile{Name: body.nullableText("name").Value, AvatarURL: body.nullableText("avatar_url").Value},
		Metadata: body.metadata(),
	}
	if err := r.checkBackend(); err != nil {
		return err
	}
	if err := p.Check(h.limits); err != nil {
		return err
	}
	return writeResult(w, p, h.UserData.PutProfile(r.Context(), user, p))
}

func (h *handler) getPresence(w http.ResponseWriter, r *request) error {
	ids := r.userIDs()
	if err := r.check(); err != nil {
		return err
	}
	list, err := h.Presence.Of(r.Context(), r.Actor, ids)
	return writeResult(w, domain.Page[domain.Presence]{Items: list}, err)
}

func (h *handler) listBlocks(w http.ResponseWriter, r *request) error {
	cursor, limit := r.page(h.limits.ListPage)
	if err := r.check(); err != nil {
		return err
	}
	page, err := h.UserData.Blocks(r.Context(), r.User, cursor, limit)
	return writeResult(w, page, err)
}

func (h *handler) block(w http.ResponseWriter, r *request) error { return h.setBlock(w, r, true) }

func (h *handler) unblock(w http.ResponseWriter, r *request) error { return h.setBlock(w, r, false) }

// setBlock has the presence of the caller checked again by those who watch it:
// the other user may see it now, or no longer.
func (h *handler) setBlock(w http.ResponseWriter, r *request, on bool) error {
	user := r.userID()
	if err := r.check(); err != nil {
		return err
	}
	if err := domain.CheckBlock(r.User, user); err != nil {
		return err
	}
	if err := h.UserData.SetBlock(r.Context(), r.User, user, on); err != nil {
		return err
	}
	h.Signals.Signal(domain.PresenceChanged{User: r.User})
	w.WriteHeader(http.StatusNoContent)
	return nil
}
