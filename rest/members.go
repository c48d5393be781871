package rest

import (
	"context"
	"encoding/json"
	"net/http"

	"im/domain"
	"im/rest/api"
)

// ListMembers implements api.RawHandler.
func (h *handler) ListMembers(ctx context.Context, params api.ListMembersParams, w http.ResponseWriter) error {
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
	page, err := h.conversations.Members(ctx, callerOf(ctx).Actor, id, cursor, limit)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, page)
	return nil
}

// AddMembers implements api.RawHandler.
func (h *handler) AddMembers(ctx context.Context, req *api.AddMembers, params api.AddMembersParams, w http.ResponseWriter) error {
	id, err := conversationID(params.ConversationID)
	if err != nil {
		return err
	}
	role := domain.Role(req.Role.Or(api.AddMembersRoleMember))
	events, err := h.membership.AddMembers(ctx, callerOf(ctx).Actor, id, userIDs(req.UserIds), role)
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

// PutMember implements api.RawHandler.
func (h *handler) PutMember(ctx context.Context, req *api.PutMember, params api.PutMemberParams, w http.ResponseWriter) error {
	id, err := conversationID(params.ConversationID)
	if err != nil {
		return err
	}
	user := domain.UserID(params.UserID)
	events, err := h.membership.PutMember(ctx, callerOf(ctx).Actor, id, user, domain.Role(req.Role))
	if err != nil {
		return err
	}
	events = about(user, events)
	status := http.StatusOK
	if len(events) > 0 && events[0].Type == domain.MemberAdded {
		status = http.StatusCreated
	}
	writeChange(w, status, events)
	return nil
}

// RemoveMember implements api.RawHandler.
func (h *handler) RemoveMember(ctx context.Context, params api.RemoveMemberParams, w http.ResponseWriter) error {
	id, err := conversationID(params.ConversationID)
	if err != nil {
		return err
	}
	user := domain.UserID(params.UserID)
	events, err := h.membership.RemoveMember(ctx, callerOf(ctx).Actor, id, user)
	if err != nil {
		return err
	}
	writeChange(w, http.StatusOK, about(user, events))
	return nil
}

// about returns the events of a change of members from the one about user on:
// handing over the ownership makes a second one, about somebody else.
func about(user domain.UserID, events []domain.Event) []domain.Event {
	for i := range events {
		var body domain.MemberRole
		if json.Unmarshal(events[i].Body, &body) == nil && body.UserID == user {
			return events[i:]
		}
	}
	return events
}
