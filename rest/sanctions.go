package rest

import (
	"net/http"

	"im/domain"
)

func (h *handler) banMember(w http.ResponseWriter, r *request) error {
	id, user, body := r.conversationID(), r.userID(), r.object()
	until, reason := body.time("until"), body.text("reason", 0)
	if err := r.check(); err != nil {
		return err
	}
	events, err := h.Commands.Ban(r.Context(), r.Actor, id, user, until, reason)
	return writeLast(w, events, err)
}

func (h *handler) unbanMember(w http.ResponseWriter, r *request) error {
	id, user := r.conversationID(), r.userID()
	if err := r.check(); err != nil {
		return err
	}
	events, err := h.Commands.Unban(r.Context(), r.Actor, id, user)
	return writeChange(w, events, err)
}

func (h *handler) listBans(w http.ResponseWriter, r *request) error {
	return h.listSanctions(w, r, domain.Ban)
}

func (h *handler) muteMember(w http.ResponseWriter, r *request) error {
	id, user, body := r.conversationID(), r.userID(), r.object()
	until := body.time("until")
	if err := r.check(); err != nil {
		return err
	}
	events, err := h.Commands.Mute(r.Context(), r.Actor, id, user, until)
	return writeLast(w, events, err)
}

func (h *handler) unmuteMember(w http.ResponseWriter, r *request) error {
	id, user := r.conversationID(), r.userID()
	if err := r.check(); err != nil {
		return err
	}
	events, err := h.Commands.Unmute(r.Context(), r.Actor, id, user)
	return writeChange(w, events, err)
}

func (h *handler) listMutes(w http.ResponseWriter, r *request) error {
	return h.listSanctions(w, r, domain.Mute)
}

func (h *handler) listSanctions(w http.ResponseWriter, r *request, kind domain.SanctionKind) error {
	id := r.conversationID()
	cursor, limit := r.page(h.limits.ListPage)
	if err := r.check(); err != nil {
		return err
	}
	page, err := h.Reads.Sanctions(r.Context(), r.Actor, id, kind, cursor, limit)
	return writeResult(w, page, err)
}

// writeLast answers a ban or a mute with its own event, which is the last one: the removal
// of a member, or the lifting of what has ended, comes before it.
func writeLast(w http.ResponseWriter, events []domain.Event, err error) error {
	if len(events) > 1 {
		events = events[len(events)-1:]
	}
	return writeChange(w, events, err)
}

// banUser stores the ban before it ends the sessions. A session that begins at the same
// time either finds its user banned, or is one of the sessions that end.
func (h *handler) banUser(w http.ResponseWriter, r *request) error {
	user, body := r.userID(), r.object()
	until, reason := body.time("until"), body.text("reason", h.limits.ReasonChars)
	if err := r.checkBackend(); err != nil {
		return err
	}
	if err := h.Endings.BanUser(r.Context(), user, until, reason); err != nil {
		return err
	}
	end, err := h.Endings.EndSessions(r.Context(), user, domain.CloseBanned)
	if err != nil {
		return err
	}
	h.Signals.Signal(end)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *handler) unbanUser(w http.ResponseWriter, r *request) error {
	user := r.userID()
	if err := r.checkBackend(); err != nil {
		return err
	}
	return writeDone(w, h.Endings.UnbanUser(r.Context(), user))
}
