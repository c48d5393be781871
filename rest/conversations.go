package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"im/domain"
	"im/rest/api"
)

// CreateConversation implements api.RawHandler.
func (h *handler) CreateConversation(ctx context.Context, req *api.CreateConversation, _ api.CreateConversationParams, w http.ResponseWriter) error {
	who := callerOf(ctx)
	id, created, err := h.editor.Create(ctx, who.Actor, domain.Creation{
		Kind: domain.Kind(req.Kind), Members: userIDs(req.Members), Title: change(req.Title).Value,
		AvatarURL: change(req.AvatarURL).Value, Settings: settings(req.Settings),
		Metadata: metadata(req.Metadata), ClientConversationID: req.ClientConversationID.Value,
	})
	if err != nil {
		return err
	}
	view, err := h.conversations.Conversation(ctx, who.Actor, id, who.device)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	writeJSON(w, status, whole(view))
	return nil
}

// ListConversations implements api.RawHandler.
func (h *handler) ListConversations(ctx context.Context, params api.ListConversationsParams, w http.ResponseWriter) error {
	limit, err := limitOf(params.Limit, h.limits.ListPage)
	if err != nil {
		return err
	}
	cursor, err := cursorOf(params.Cursor)
	if err != nil {
		return err
	}
	who := callerOf(ctx)
	page, err := h.conversations.Conversations(ctx, who.Actor, who.device, cursor, limit)
	if err != nil {
		return err
	}
	page.Items = wholes(page.Items)
	writeJSON(w, http.StatusOK, page)
	return nil
}

// GetConversation implements api.RawHandler.
func (h *handler) GetConversation(ctx context.Context, params api.GetConversationParams, w http.ResponseWriter) error {
	id, err := conversationID(params.ConversationID)
	if err != nil {
		return err
	}
	who := callerOf(ctx)
	view, err := h.conversations.Conversation(ctx, who.Actor, id, who.device)
	if errors.Is(err, domain.ErrNotFound) {
		group, err := h.conversations.OpenGroup(ctx, id)
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, group)
		return nil
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, whole(view))
	return nil
}

// UpdateConversation implements api.RawHandler.
func (h *handler) UpdateConversation(ctx context.Context, req *api.UpdateConversation, params api.UpdateConversationParams, w http.ResponseWriter) error {
	id, err := conversationID(params.ConversationID)
	if err != nil {
		return err
	}
	changes := domain.Changes{
		Title: change(req.Title), AvatarURL: change(req.AvatarURL), Settings: settings(req.Settings),
		Metadata: domain.Field[json.RawMessage]{Set: req.Metadata.Set},
	}
	if text := metadata(req.Metadata); text != nil {
		changes.Metadata.Value = &text
	}
	events, err := h.editor.Update(ctx, callerOf(ctx).Actor, id, changes)
	if err != nil {
		return err
	}
	writeChange(w, http.StatusOK, events)
	return nil
}

// Sync implements api.RawHandler.
func (h *handler) Sync(ctx context.Context, params api.SyncParams, w http.ResponseWriter) error {
	who := callerOf(ctx)
	limit, err := limitOf(params.Limit, h.limits.SyncPage)
	if err != nil {
		return err
	}
	cursor, err := cursorOf(params.Cursor)
	if err != nil {
		return err
	}
	if params.TimelineLimit.Value > h.limits.SyncTimeline {
		return domain.Invalid("/timeline_limit", "is more than a page may have")
	}
	device := who.device
	if params.DeviceID.Set {
		if device, err = deviceOf(who, string(params.DeviceID.Value)); err != nil {
			return err
		}
	}
	page, err := h.conversations.Sync(ctx, domain.SyncQuery{
		User: who.User, Device: device, Cursor: cursor, Limit: limit, TimelineLimit: params.TimelineLimit.Value,
	})
	if err != nil {
		return err
	}
	page.Conversations = wholes(page.Conversations)
	writePage(w, &page)
	return nil
}

// deviceOf reads a device id; a token that binds a device speaks for no other.
func deviceOf(who caller, id string) (domain.DeviceID, error) {
	device, err := domain.ParseDeviceID("/device_id", id)
	if err == nil && who.device != "" && device != who.device {
		return "", domain.Invalid("/device_id", "is not the token's device")
	}
	return device, err
}

// whole returns v with its list of events, empty where the reader was not
// asked for any.
func whole(v domain.ConversationView) domain.ConversationView {
	if v.Events == nil {
		v.Events = []domain.Event{}
	}
	return v
}

func wholes(list []domain.ConversationView) []domain.ConversationView {
	if list == nil {
		return []domain.ConversationView{}
	}
	for i := range list {
		list[i] = whole(list[i])
	}
	return list
}

func change(o api.OptNilString) domain.Field[string] {
	f := domain.Field[string]{Set: o.Set}
	if o.Set && !o.Null {
		f.Value = &o.Value
	}
	return f
}

// metadata returns the text as it was sent; nil for null and for none.
func metadata(o api.OptNilMetadataOrNull) json.RawMessage {
	if !o.Set || o.Null {
		return nil
	}
	return json.RawMessage(o.Value)
}

func settings(o api.OptSettingsPatch) *domain.SettingsPatch {
	if !o.Set {
		return nil
	}
	p := &domain.SettingsPatch{}
	if v, ok := o.Value.Posting.Get(); ok {
		p.Posting = new(string(v))
	}
	if v, ok := o.Value.Joining.Get(); ok {
		p.Joining = new(string(v))
	}
	if v, ok := o.Value.History.Get(); ok {
		p.History = new(string(v))
	}
	if v, ok := o.Value.Receipts.Get(); ok {
		p.Receipts = new(v)
	}
	return p
}
