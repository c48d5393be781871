package rest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"im/domain"
)

const webhookID = "0198f2a1-7c3e-7b8d-9e4f-0a1b2c3d4e60"

func (f *fakeBackend) CreateWebhook(_ context.Context, n domain.NewWebhook) (domain.Webhook, error) {
	defer f.lock()()
	made := domain.Webhook{
		WebhookID: webhookID, URL: n.URL, Types: n.Types, ConversationIDs: n.ConversationIDs, Recipients: n.Recipients, Description: n.Description,
		State: domain.WebhookEnabled, CreatedAt: now,
	}
	f.webhooks = append(f.webhooks, made)
	if made.Secret = n.Secret; made.Secret == "" {
		made.Secret = domain.WebhookSecret(make([]byte, 32))
	}
	return made, nil
}

func (f *fakeBackend) ListWebhooks(_ context.Context, cursor string, limit int) (domain.Page[domain.Webhook], error) {
	defer f.lock()()
	return pageOf(slices.Clone(f.webhooks), cursor, limit)
}

// change changes the webhook with an id.
func (f *fakeBackend) change(id string, change func(*domain.Webhook)) (domain.Webhook, error) {
	defer f.lock()()
	for i := range f.webhooks {
		if f.webhooks[i].WebhookID == id {
			change(&f.webhooks[i])
			return f.webhooks[i], nil
		}
	}
	return domain.Webhook{}, domain.ErrNotFound
}

func (f *fakeBackend) Webhook(_ context.Context, id string) (domain.Webhook, error) {
	return f.change(id, func(*domain.Webhook) {})
}

func (f *fakeBackend) UpdateWebhook(_ context.Context, id string, p domain.WebhookPatch) (domain.Webhook, error) {
	return f.change(id, func(w *domain.Webhook) {
		if p.URL != nil {
			w.URL = *p.URL
		}
		if p.State != nil {
			w.State = *p.State
		}
		if p.Recipients != nil {
			w.Recipients = *p.Recipients
		}
		if p.Types.Set {
			w.Types = nil
			if p.Types.Value != nil {
				w.Types = *p.Types.Value
			}
		}
		if p.ConversationIDs.Set {
			w.ConversationIDs = nil
			if p.ConversationIDs.Value != nil {
				w.ConversationIDs = *p.ConversationIDs.Value
			}
		}
		if p.Description.Set {
			w.Description = ""
			if p.Description.Value != nil {
				w.Description = *p.Description.Value
			}
		}
	})
}

func (f *fakeBackend) DeleteWebhook(_ context.Context, id string) error {
	_, err := f.change(id, func(*domain.Webhook) {})
	defer f.lock()()
	f.webhooks = slices.DeleteFunc(f.webhooks, func(w domain.Webhook) bool { return w.WebhookID == id })
	return err
}

func (f *fakeBackend) RotateWebhook(_ context.Context, id string) (domain.Webhook, error) {
	w, err := f.change(id, func(*domain.Webhook) {})
	w.Secret = domain.WebhookSecret(make([]byte, 24))
	return w, err
}

func (f *fakeBackend) TestWebhook(_ context.Context, id string) (domain.WebhookTest, error) {
	_, err := f.change(id, func(*domain.Webhook) {})
	return domain.WebhookTest{Status: 500, DurationMS: 7, Error: "the answer was 500"}, err
}

func (f *fakeBackend) ReplayWebhook(_ context.Context, id string, r domain.WebhookReplay) error {
	_, err := f.change(id, func(*domain.Webhook) {})
	defer f.lock()()
	f.replays = append(f.replays, r)
	return err
}

func (f *fakeBackend) WebhookDeliveries(_ context.Context, id string, state domain.DeliveryState, cursor string, limit int) (domain.Page[domain.Delivery], error) {
	if _, err := f.change(id, func(*domain.Webhook) {}); err != nil {
		return domain.Page[domain.Delivery]{}, err
	}
	list := []domain.Delivery{
		{ConversationID: domain.ConversationID{1}, Seq: 3, State: domain.DeliveryFailed, Attempts: 10, Status: 500, DurationMS: 7, Error: "the answer was 500", AttemptedAt: &now},
		{ConversationID: domain.ConversationID{1}, Seq: 4, State: domain.DeliveryWaiting, NextAttemptAt: &now},
	}
	return pageOf(slices.DeleteFunc(list, func(d domain.Delivery) bool { return state != "" && d.State != state }), cursor, limit)
}

// EventFeed has one event after the first call.
func (f *fakeBackend) EventFeed(_ context.Context, cursor string, _ int) (domain.EventFeed, error) {
	switch cursor {
	case "":
		return domain.EventFeed{Cursor: "1"}, f.fail
	case "1":
		e := domain.Event{ConversationID: domain.ConversationID{1}, Seq: 1, Type: domain.MessagePosted, Sender: "bob", At: now, Body: json.RawMessage(`{"content":{"type":"text","text":"Hi"}}`)}
		return domain.EventFeed{Events: []domain.Event{e}, Cursor: "2"}, f.fail
	}
	return domain.EventFeed{}, domain.ErrCursorInvalid
}

// webhookOperations makes the calls about webhooks that succeed.
func webhookOperations(t *testing.T, s *testServer) {
	t.Helper()
	const whole = `{"url":"https://example.org/hook","types":["message.posted","message.notify","report.created"],"recipients":"offline","conversation_ids":["0198c5de-0000-7000-8000-000000000001"],` +
		`"from":"2026-01-02T03:04:05Z","description":"orders","secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`
	made := s.call(t, "!shop", "POST", "/v1/webhooks", whole).want(t, 201)
	if !strings.Contains(string(made.body), `"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"`) || !strings.Contains(string(made.body), `"recipients":"offline"`) {
		t.Errorf("made: %s", made.body)
	}
	const path = "/v1/webhooks/" + webhookID
	list := s.call(t, "!shop", "GET", "/v1/webhooks?limit=1", "").want(t, 200)
	one := s.call(t, "!shop", "GET", path, "").want(t, 200)
	if strings.Contains(string(list.body)+string(one.body), "secret") {
		t.Errorf("a secret is shown again: %s %s", list.body, one.body)
	}
	const cleared = `{"url":"http://example.org/other","types":null,"conversation_ids":null,"description":null,"recipients":"all","state":"disabled"}`
	changed := s.call(t, "!shop", "PATCH", path, cleared).want(t, 200)
	if want := `{"webhook_id":"` + webhookID + `","url":"http://example.org/other","recipients":"all","state":"disabled","created_at":"2026-01-02T03:04:05.678901Z"}`; string(changed.body) != want {
		t.Errorf("changed: %s", changed.body)
	}
	s.call(t, "!shop", "POST", path+"/rotate", "").want(t, 200)
	s.call(t, "!shop", "POST", path+"/test", "").want(t, 200)
	s.call(t, "!shop", "POST", path+"/replay", `{"since":"2026-01-02T03:04:05Z"}`).want(t, 202)
	s.call(t, "!shop", "POST", path+"/replay", `{"conversation_id":"0198c5de-0000-7000-8000-000000000001","after_seq":0}`).want(t, 202)
	s.call(t, "!shop", "GET", path+"/deliveries", "").want(t, 200)
	if got := s.call(t, "!shop", "GET", path+"/deliveries?state=waiting&limit=1", "").want(t, 200); strings.Contains(string(got.body), "failed") {
		t.Errorf("waiting: %s", got.body)
	}
	s.call(t, "!shop", "GET", "/v1/feed?cursor=1&limit=10&wait=30", "").want(t, 200)
	for _, call := range [][3]string{
		{"POST", "/v1/webhooks", whole},
		{"GET", "/v1/webhooks", ""},
		{"GET", path, ""},
		{"PATCH", path, `{}`},
		{"DELETE", path, ""},
		{"POST", path + "/rotate", ""},
		{"POST", path + "/test", ""},
		{"POST", path + "/replay", `{"since":"2026-01-02T03:04:05Z"}`},
		{"GET", path + "/deliveries", ""},
		{"GET", "/v1/feed", ""},
	} {
		s.call(t, "alice", call[0], call[1], call[2]).refused(t, domain.CodeForbidden, "")
		s.call(t, "!shop", call[0], call[1], call[2], "X-IM-User: alice").refused(t, domain.CodeForbidden, "")
	}
	s.call(t, "!shop", "DELETE", path, "").want(t, 204)
	s.call(t, "!shop", "GET", path, "").refused(t, domain.CodeNotFound, "")
}

func TestWebhooksRefuse(t *testing.T) {
	s := newTestServer(t)
	for body, at := range map[string]string{
		`{"url":"ftp://example.org/"}`: "/url", `{"url":"https:///x"}`: "/url", `{"url":"https://user:password@example.org/"}`: "/url",
		`{"url":"https://example.org/#x"}`: "/url", `{"url":"https://example.org/` + strings.Repeat("x", 2048) + `"}`: "/url",
		`{"url":"https://example.org/","types":["message.notified"]}`: "/types/0", `{"url":"https://example.org/","types":["message.posted","webhook.test"]}`: "/types/1",
		`{"url":"https://example.org/","types":["message.notify"],"recipients":"none"}`: "/recipients", `{"url":"https://example.org/","types":["message.notify"],"recipients":""}`: "/recipients",
		`{"url":"https://example.org/","types":["message.posted"],"recipients":"all"}`: "/recipients",
		`{"url":"https://example.org/","types":[]}`:                                    "/types", `{"url":"https://example.org/","conversation_ids":[]}`: "/conversation_ids",
		`{"url":"https://example.org/","from":"yesterday"}`: "/from", `{"url":"https://example.org/","secret":"whsec_MfKQ"}`: "/secret",
		`{"url":"https://example.org/","secret":"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`: "/secret", `{"url":"https://example.org/","recipients":"all"}`: "/recipients",
	} {
		s.call(t, "!shop", "POST", "/v1/webhooks", body).refused(t, domain.CodeInvalid, at)
	}
	s.call(t, "!shop", "PATCH", "/v1/webhooks/"+webhookID, `{"recipients":"none"}`).refused(t, domain.CodeInvalid, "/recipients")
	for body, at := range map[string]string{
		`{}`: "/since", `{"since":"2026-01-02T03:04:05Z","after_seq":3}`: "/since", `{"after_seq":3}`: "/conversation_id",
		`{"conversation_id":"0198c5de-0000-7000-8000-000000000001"}`: "/after_seq",
	} {
		s.call(t, "!shop", "POST", "/v1/webhooks/"+webhookID+"/replay", body).refused(t, domain.CodeInvalid, at)
	}
}

// TestFeedWaits: a call without events waits for some, and then answers at once.
func TestFeedWaits(t *testing.T) {
	s := newTestServer(t)
	began := time.Now()
	got := s.call(t, "!shop", "GET", "/v1/feed?wait=30", "").want(t, 200)
	if !strings.Contains(string(got.body), `"cursor":"2","has_more":false`) {
		t.Errorf("after %s: %s", time.Since(began), got.body)
	}
	if got := s.call(t, "!shop", "GET", "/v1/feed", "").want(t, 200); string(got.body) != `{"events":[],"cursor":"1","has_more":false}` {
		t.Errorf("without waiting: %s", got.body)
	}
	s.call(t, "!shop", "GET", "/v1/feed?cursor=9", "").refused(t, domain.CodeCursorInvalid, "")
}
