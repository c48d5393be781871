package rest

import (
	"encoding/json"
	"net/http"

	"im/domain"
)

func (h *handler) listMembers(w http.ResponseWriter, r *request) error {
	id := r.conversationID()
	cursor, limit := r.page(h.limits.ListPage)
	if err := r.check(); err != nil {
		return err
	}
	page, err := h.Reads.Members(r.Context(), r.Actor, id, cursor, limit)
	return writeResult(w, page, err)
}

func (h *handler) addMembers(w http.ResponseWriter, r *request) error {
	id, body := r.conversationID(), r.object("user_ids")
	users, role := body.userIDs("user_ids"), domain.RoleMember
	if body.Has("role") {
		role = domain.Role(body.text("role", 0))
	}
	if err := r.check(); err != nil {
		return err
	}
	events, err := h.Commands.AddMembers(r.Context(), r.Actor, id, users, role)
	switch {
	case err != nil:
		return err
	case len(events) == 0:
		w.WriteHeader(http.StatusNoContent)
	default:
		writeEvents(w, http.StatusOK, events)
	}
	return nil
}

func (h *handler) putMember(w http.ResponseWriter, r *request) error {
	id, user, body := r.conversationID(), r.userID(), r.object("role")
	role := domain.Role(body.text("role", 0))
	if err := r.check(); err != nil {
		return err
	}
	events, err := h.Commands.PutMember(r.Context(), r.Actor, id, user, role)
	if events = from(user, events); len(events) > 0 && events[0].Type == domain.MemberAdded {
		writeEvent(w, http.StatusCreated, &events[0])
		return nil
	}
	return writeChange(w, events, err)
}

func (h *handler) removeMember(w http.ResponseWriter, r *request) error {
	id, user := r.conversationID(), r.userID()
	if err := r.check(); err != nil {
		return err
	}
	events, err := h.Commands.RemoveMember(r.Context(), r.Actor, id, user)
	return writeChange(w, from(user, events), err)
}

// from returns the events of a change of members from the event about user on. A
// change of the owner makes two events, about two users.
func from(user domain.UserID, events []domain.Event) []domain.Event {
	for i := range events {
		var body domain.MemberRole
		if json.Unmarshal(events[i].Body, &body) == nil && body.UserID == user {
			return events[i:]
		}
	}
	return events
}
