package rest

import (
	"errors"
	"net/http"

	"im/domain"
)

func (h *handler) createConversation(w http.ResponseWriter, r *request) error {
	body := r.object("kind", "members")
	creation := domain.Creation{
		Kind: domain.Kind(body.text("kind", 0)), Members: body.userIDs("members"),
		Title: body.nullableText("title").Value, AvatarURL: body.nullableText("avatar_url").Value,
		Settings: body.settings(), Metadata: body.metadata(), ClientConversationID: body.text("client_conversation_id", 64),
	}
	if err := r.check(); err != nil {
		return err
	}
	id, created, err := h.Commands.Create(r.Context(), r.Actor, creation)
	if err != nil {
		return err
	}
	view, err := h.Reads.Conversation(r.Context(), r.Actor, id, r.device)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	writeJSON(w, status, withEvents(view))
	return nil
}

func (h *handler) listConversations(w http.ResponseWriter, r *request) error {
	cursor, limit := r.page(h.limits.ListPage)
	if err := r.check(); err != nil {
		return err
	}
	page, err := h.Reads.Conversations(r.Context(), r.Actor, r.device, cursor, limit)
	page.Items = allWithEvents(page.Items)
	return writeResult(w, page, err)
}

func (h *handler) getConversation(w http.ResponseWriter, r *request) error {
	id := r.conversationID()
	if err := r.check(); err != nil {
		return err
	}
	view, err := h.Reads.Conversation(r.Context(), r.Actor, id, r.device)
	if errors.Is(err, domain.ErrNotFound) {
		group, err := h.Reads.OpenGroup(r.Context(), id)
		return writeResult(w, group, err)
	}
	return writeResult(w, withEvents(view), err)
}

func (h *handler) updateConversation(w http.ResponseWriter, r *request) error {
	id, body := r.conversationID(), r.object()
	changes := domain.Changes{
		Title: body.nullableText("title"), AvatarURL: body.nullableText("avatar_url"), Settings: body.settings(),
		Metadata: body.nullableRaw("metadata"),
	}
	if err := r.check(); err != nil {
		return err
	}
	events, err := h.Commands.Update(r.Context(), r.Actor, id, changes)
	return writeChange(w, events, err)
}

func (h *handler) sync(w http.ResponseWriter, r *request) error {
	q := domain.SyncQuery{
		User: r.User, Device: r.ownDevice(r.value("device_id")),
		TimelineLimit: r.size("timeline_limit", 0, 0, h.limits.SyncTimeline),
	}
	q.Cursor, q.Limit = r.page(h.limits.SyncPage)
	if err := r.check(); err != nil {
		return err
	}
	page, err := h.Reads.Sync(r.Context(), q)
	page.Conversations = allWithEvents(page.Conversations)
	return writePage(w, &page, err)
}

// ownDevice parses a device id, and returns the token's device if none is given.
// A token that is bound to a device speaks for no other.
func (r *request) ownDevice(id string, given bool) domain.DeviceID {
	if !given {
		return r.device
	}
	device, err := domain.ParseDeviceID("/device_id", id)
	if err == nil && r.device != "" && device != r.device {
		err = domain.Invalid("/device_id", "is not the token's device")
	}
	r.refuse(err)
	return device
}

// withEvents returns v with its list of events, which is empty if the reader
// loaded none.
func withEvents(v domain.ConversationView) domain.ConversationView {
	if v.Events == nil {
		v.Events = []domain.Event{}
	}
	return v
}

func allWithEvents(list []domain.ConversationView) []domain.ConversationView {
	if list == nil {
		return []domain.ConversationView{}
	}
	for i := range list {
		list[i] = withEvents(list[i])
	}
	return list
}

// settings reads the member settings; nil if it is missing.
func (o object) settings() *domain.SettingsPatch {
	s, given := o.inside("settings")
	if !given {
		return nil
	}
	return &domain.SettingsPatch{
		Posting: s.optionalText("posting"), Joining: s.optionalText("joining"), History: s.optionalText("history"),
		Receipts: s.flag("receipts"), SlowModeS: s.integer("slow_mode_s", 0),
	}
}
