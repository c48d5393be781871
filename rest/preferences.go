package rest

import (
	"context"
	"net/http"

	"im/domain"
	"im/rest/api"
)

// Preferences keeps users' own settings of conversations; changed tells whether
// something is other than before.
type Preferences interface {
	Preferences(ctx context.Context, a domain.Actor, id domain.ConversationID) (domain.Preferences, error)
	SetPreferences(ctx context.Context, a domain.Actor, id domain.ConversationID, p domain.PreferencesPatch) (now domain.Preferences, changed bool, err error)
}

// GetPreferences implements api.RawHandler.
func (h *handler) GetPreferences(ctx context.Context, params api.GetPreferencesParams, w http.ResponseWriter) error {
	id, err := conversationID(params.ConversationID)
	if err != nil {
		return err
	}
	p, err := h.preferences.Preferences(ctx, callerOf(ctx).Actor, id)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, p)
	return nil
}

// UpdatePreferences implements api.RawHandler. All of the user's sessions are
// told of a change, best effort: a sync tells those that were not reached.
func (h *handler) UpdatePreferences(ctx context.Context, req *api.UpdatePreferences, params api.UpdatePreferencesParams, w http.ResponseWriter) error {
	id, err := conversationID(params.ConversationID)
	if err != nil {
		return err
	}
	var want domain.PreferencesPatch
	if v, ok := req.Notify.Get(); ok {
		want.Notify = new(string(v))
	}
	if v, ok := req.Pinned.Get(); ok {
		want.Pinned = new(v)
	}
	if v, ok := req.Archived.Get(); ok {
		want.Archived = new(v)
	}
	if err := want.Check(); err != nil {
		return err
	}
	who := callerOf(ctx)
	p, changed, err := h.preferences.SetPreferences(ctx, who.Actor, id, want)
	if err != nil {
		return err
	}
	if changed {
		h.tellConversation(ctx, who.Actor, id)
	}
	writeJSON(w, http.StatusOK, p)
	return nil
}

// tellConversation shows the conversation as it is now to the user's sessions.
func (h *handler) tellConversation(ctx context.Context, a domain.Actor, id domain.ConversationID) {
	view, err := h.conversations.Conversation(ctx, a, id, "")
	if err != nil {
		return
	}
	h.signaller.Signal(domain.UserFrame{User: a.User, Frame: frameOf(struct {
		Type         string                  `json:"type"`
		Conversation domain.ConversationView `json:"conversation"`
	}{"conversation", whole(view)})})
}
