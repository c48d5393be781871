package rest

import (
	"net/http"
	"strconv"
	"time"

	"im/domain"
)

func (h *handler) createWebhook(w http.ResponseWriter, r *request) error {
	body := r.object("url")
	n := domain.NewWebhook{
		URL: body.text("url", 0), Types: typesOf(body.Strings("types")), ConversationIDs: body.conversationIDs("conversation_ids", body.Strings("conversation_ids")),
		Recipients: domain.WebhookRecipients(body.text("recipients", 0)), Since: body.from(), Description: body.String("description"), Secret: body.text("secret", 0),
	}
	if err := r.checkBackend(); err != nil {
		return err
	}
	if err := n.Check(h.limits); err != nil {
		return err
	}
	made, err := h.Webhooks.CreateWebhook(r.Context(), n)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, made)
	return nil
}

// from returns the member from: nil for now, the zero time for the beginning.
func (o object) from() *domain.Time {
	switch text := o.text("from", 0); text {
	case "", "now":
		return nil
	case "beginning":
		return &domain.Time{}
	default:
		at, ok := parseTime(text)
		if !ok {
			o.Reject("from", "must be now, beginning, or a time such as 2026-01-02T03:04:05Z")
		}
		return at
	}
}

func typesOf(list []string) []domain.EventType {
	if list == nil {
		return nil
	}
	types := make([]domain.EventType, len(list))
	for i, text := range list {
		types[i] = domain.EventType(text)
	}
	return types
}

// conversationIDs parses the ids of a member; nil if list is.
func (o object) conversationIDs(name string, list []string) []domain.ConversationID {
	if list == nil {
		return nil
	}
	ids := make([]domain.ConversationID, len(list))
	for i, text := range list {
		id, err := domain.ParseConversationID(o.Pointer(name)+"/"+strconv.Itoa(i), text)
		o.r.refuse(err)
		ids[i] = id
	}
	return ids
}

func (h *handler) listWebhooks(w http.ResponseWriter, r *request) error {
	cursor, limit := r.page(h.limits.ListPage)
	if err := r.checkBackend(); err != nil {
		return err
	}
	page, err := h.Webhooks.ListWebhooks(r.Context(), cursor, limit)
	return writeResult(w, page, err)
}

func (h *handler) getWebhook(w http.ResponseWriter, r *request) error {
	id := r.webhookID()
	if err := r.checkBackend(); err != nil {
		return err
	}
	hook, err := h.Webhooks.Webhook(r.Context(), id)
	return writeResult(w, hook, err)
}

func (h *handler) updateWebhook(w http.ResponseWriter, r *request) error {
	id, body := r.webhookID(), r.object()
	p := domain.WebhookPatch{Description: body.nullableText("description")}
	if body.Has("url") {
		p.URL = new(body.text("url", 0))
	}
	if body.Has("state") {
		p.State = new(domain.WebhookState(body.text("state", 0)))
	}
	if body.Has("recipients") {
		p.Recipients = new(domain.WebhookRecipients(body.text("recipients", 0)))
	}
	if types := body.nullableTexts("types"); types.Set {
		p.Types.Set = true
		if types.Value != nil {
			p.Types.Value = new(typesOf(*types.Value))
		}
	}
	if ids := body.nullableTexts("conversation_ids"); ids.Set {
		p.ConversationIDs.Set = true
		if ids.Value != nil {
			p.ConversationIDs.Value = new(body.conversationIDs("conversation_ids", *ids.Value))
		}
	}
	if err := r.checkBackend(); err != nil {
		return err
	}
	if err := p.Check(h.limits); err != nil {
		return err
	}
	hook, err := h.Webhooks.UpdateWebhook(r.Context(), id, p)
	return writeResult(w, hook, err)
}

func (h *handler) deleteWebhook(w http.ResponseWriter, r *request) error {
	id := r.webhookID()
	if err := r.checkBackend(); err != nil {
		return err
	}
	return writeDone(w, h.Webhooks.DeleteWebhook(r.Context(), id))
}

func (h *handler) rotateWebhook(w http.ResponseWriter, r *request) error {
	id := r.webhookID()
	if err := r.checkBackend(); err != nil {
		return err
	}
	hook, err := h.Webhooks.RotateWebhook(r.Context(), id)
	return writeResult(w, hook, err)
}

func (h *handler) testWebhook(w http.ResponseWriter, r *request) error {
	id := r.webhookID()
	if err := r.checkBackend(); err != nil {
		return err
	}
	result, err := h.Webhooks.TestWebhook(r.Context(), id)
	return writeResult(w, result, err)
}

func (h *handler) replayWebhook(w http.ResponseWriter, r *request) error {
	id, body := r.webhookID(), r.object()
	replay := domain.WebhookReplay{AfterSeq: body.integer("after_seq", 0)}
	if text := body.text("since", 0); text != "" {
		at, ok := parseTime(text)
		if !ok {
			body.Reject("since", notATime)
		}
		replay.Since = at
	}
	if body.Has("conversation_id") {
		id, err := domain.ParseConversationID("/conversation_id", body.String("conversation_id"))
		r.refuse(err)
		replay.ConversationID = id
	}
	if err := r.checkBackend(); err != nil {
		return err
	}
	if err := replay.Check(); err != nil {
		return err
	}
	if err := h.Webhooks.ReplayWebhook(r.Context(), id, replay); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func (h *handler) listDeliveries(w http.ResponseWriter, r *request) error {
	id := r.webhookID()
	state, given := r.value("state")
	cursor, limit := r.page(h.limits.ListPage)
	if err := r.checkBackend(); err != nil {
		return err
	}
	if given {
		if err := domain.DeliveryState(state).Check(); err != nil {
			return err
		}
	}
	page, err := h.Webhooks.WebhookDeliveries(r.Context(), id, domain.DeliveryState(state), cursor, limit)
	return writeResult(w, page, err)
}

const (
	maxWait   = 30 * time.Second // of a call that waits for events
	waitPause = 250 * time.Millisecond
)

// getFeed answers with the next events. If there are none, it waits for some.
func (h *handler) getFeed(w http.ResponseWriter, r *request) error {
	cursor := r.cursor()
	limit := r.size("limit", 1, domain.DefaultPageEvents, h.limits.PageEvents)
	wait := r.size("wait", 0, 0, int(maxWait/time.Second))
	if err := r.checkBackend(); err != nil {
		return err
	}
	deadline := time.Now().Add(time.Duration(wait) * time.Second)
	tick := time.NewTicker(waitPause)
	defer tick.Stop()
	for {
		page, err := h.Webhooks.EventFeed(r.Context(), cursor, limit)
		if err != nil {
			return err
		}
		if len(page.Events) > 0 || page.HasMore || !time.Now().Before(deadline) || h.draining() {
			writeBytes(w, http.StatusOK, page.AppendJSON(nil))
			return nil
		}
		cursor = page.Cursor
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
}
