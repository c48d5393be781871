package rest

import (
	"net/http"

	"im/domain"
)

func (h *handler) getPreferences(w http.ResponseWriter, r *request) error {
	id := r.conversationID()
	if err := r.check(); err != nil {
		return err
	}
	p, err := h.UserData.Preferences(r.Context(), r.Actor, id)
	return writeResult(w, p, err)
}

// updatePreferences sends the conversation to all sessions of the user if its
// preferences changed. That is best effort: a session that misses it learns of
// the change by its next sync.
func (h *handler) updatePreferences(w http.ResponseWriter, r *request) error {
	id, body := r.conversationID(), r.object()
	want := domain.PreferencesPatch{
		Notify: body.optionalText("notify"), Pinned: body.flag("pinned"), Archived: body.flag("archived"),
	}
	if err := r.check(); err != nil {
		return err
	}
	if err := want.Check(); err != nil {
		return err
	}
	p, changed, err := h.UserData.SetPreferences(r.Context(), r.Actor, id, want)
	if err != nil {
		return err
	}
	if changed {
		h.signalConversation(r, id)
	}
	writeJSON(w, http.StatusOK, p)
	return nil
}

// signalConversation sends a conversation as it is now to the caller's sessions.
func (h *handler) signalConversation(r *request, id domain.ConversationID) {
	view, err := h.Reads.Conversation(r.Context(), r.Actor, id, "")
	if err != nil {
		return
	}
	h.Signals.Signal(domain.UserFrame{User: r.User, Frame: jsonOf(struct {
		Type         string                  `json:"type"`
		Conversation domain.ConversationView `json:"conversation"`
	}{"conversation", withEvents(view)})})
}
