package rest

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"im/domain"
)

func TestTrace(t *testing.T) {
	s := newTestServer(t)
	s.sessions = map[domain.UserID][]domain.LiveSession{
		"alice": {{SessionID: "S1", DeviceID: "desk", NodeID: "n-2"}, {SessionID: "S2", DeviceID: "phone", NodeID: "n-1"}},
		"bob":   {{SessionID: "S3", DeviceID: "phone", NodeID: "n-1"}},
	}
	var view domain.ConversationView
	made := s.call(t, "alice", "POST", "/v1/conversations", `{"kind":"group","members":["bob","carol"]}`).want(t, 201)
	if err := json.Unmarshal(made.body, &view); err != nil {
		t.Fatal(err)
	}
	base := "/v1/conversations/" + view.ConversationID.String() + "/messages/1/trace"
	trace := func(query string) (trace domain.Trace) {
		t.Helper()
		if err := json.Unmarshal(s.call(t, "!shop", "GET", base+query, "").want(t, 200).body, &trace); err != nil {
			t.Fatal(err)
		}
		return trace
	}
	got := trace("")
	if diff := cmp.Diff([]domain.NodeID{"n-1", "n-2"}, got.Routed); diff != "" {
		t.Error(diff)
	}
	alice := got.Items[0]
	if len(got.Items) != 3 || len(alice.Sessions) != 2 || alice.Sessions[0].Pushed != nil || !*alice.Sessions[1].Pushed || len(got.Items[2].Sessions) != 0 {
		t.Errorf("%+v", got.Items)
	}
	if got := trace("?limit=1&cursor=2"); len(got.Items) != 1 || got.Items[0].UserID != "carol" || got.Routed == nil || len(got.Routed) != 0 {
		t.Errorf("a page without sessions: %+v", got)
	}
	s.sessionsError = domain.ErrUnavailable
	if got := trace(""); got.Routed != nil || got.Items[0].Sessions != nil || !got.Items[0].Delivered {
		t.Errorf("while the live sessions are unknown: %+v", got)
	}
	s.sessionsError = nil
	s.call(t, "!shop", "GET", base+"?cursor=", "").refused(t, domain.CodeCursorInvalid, "")
	s.call(t, "!shop", "GET", base+"?limit=501", "").refused(t, domain.CodeInvalid, "/limit")
	nowhere := "/v1/conversations/0198c5f2-7a5e-7c31-9d40-6f1f2f6f2a10/messages/1/trace"
	s.call(t, "!shop", "GET", nowhere, "").refused(t, domain.CodeNotFound, "")
	for _, path := range []string{base, nowhere} {
		s.call(t, "alice", "GET", path, "").refused(t, domain.CodeForbidden, "")
		s.call(t, "!shop", "GET", path, "", "X-IM-User: alice").refused(t, domain.CodeForbidden, "")
	}
}
