package rest

import (
	"encoding/json"
	"testing"

	"im/domain"
)

func TestPreferencesAreAnsweredWholeAndSignalled(t *testing.T) {
	s := newTestServer(t)
	id := s.group(t)
	path := "/v1/conversations/" + id.String() + "/preferences"
	patch := func(body, want string) {
		t.Helper()
		if got := s.call(t, "bob", "PATCH", path, body).want(t, 200); string(got.body) != want {
			t.Errorf("%s: %s", body, got.body)
		}
	}
	if got := s.call(t, "bob", "GET", path, "").want(t, 200); string(got.body) != `{"notify":"all","pinned":false,"archived":false}` {
		t.Errorf("at first: %s", got.body)
	}
	patch(`{"notify":"mentions"}`, `{"notify":"mentions","pinned":false,"archived":false}`)
	patch(`{"archived":true,"pinned":true}`, `{"notify":"mentions","pinned":true,"archived":true}`)
	patch(`{"pinned":true}`, `{"notify":"mentions","pinned":true,"archived":true}`)
	patch(`{}`, `{"notify":"mentions","pinned":true,"archived":true}`)
	if len(s.signals) != 2 {
		t.Fatalf("%d signals for two changes: %+v", len(s.signals), s.signals)
	}
	var frame struct {
		Type         string
		Conversation domain.ConversationView
	}
	sent := s.userFrame(t, 0)
	if err := json.Unmarshal(sent.Frame, &frame); err != nil || sent.User != "bob" {
		t.Fatalf("signal to %s, %v: %s", sent.User, err, sent.Frame)
	}
	if frame.Type != "conversation" || frame.Conversation.ConversationID != id || frame.Conversation.Events == nil {
		t.Errorf("frame: %s", sent.Frame)
	}
	s.call(t, "bob", "PATCH", path, `{"notify":"some"}`).refused(t, domain.CodeInvalid, "/notify")
	s.call(t, "bob", "PATCH", path, `{"pinned":null}`).refused(t, domain.CodeInvalid, "/pinned")
	s.call(t, "bob", "PATCH", path, `{"muted":true}`).refused(t, domain.CodeInvalid, "/muted")
	s.call(t, "!shop", "PATCH", path, `{"pinned":true}`).refused(t, domain.CodeNotFound, "")
}
