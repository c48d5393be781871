package rest

import (
	"encoding/json"
	"testing"
	"time"

	"im/domain"
)

func TestSessionsAreListedAndEndedByTheirUser(t *testing.T) {
	s := newTestServer(t)
	s.sessions = map[domain.UserID][]domain.LiveSession{
		"alice": {{SessionID: "S1", DeviceID: "phone", NodeID: "n-1"}, {SessionID: "S2", DeviceID: "laptop", NodeID: "n-2", Background: true}},
		"bob":   {{SessionID: "S3", DeviceID: "phone", NodeID: "n-1"}},
	}
	var page domain.Page[domain.LiveSession]
	if err := json.Unmarshal(s.call(t, "alice/laptop", "GET", "/v1/sessions", "").want(t, 200).body, &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Items) != 2 || page.Items[0].Current || !page.Items[1].Current || !page.Items[1].Background {
		t.Errorf("sessions: %+v", page.Items)
	}
	if got := s.call(t, "eve", "GET", "/v1/sessions", "").want(t, 200); string(got.body) != `{"items":[],"next_cursor":null}` {
		t.Errorf("no sessions: %s", got.body)
	}
	s.call(t, "alice", "DELETE", "/v1/sessions/S3", "").refused(t, domain.CodeNotFound, "")
	s.call(t, "eve", "DELETE", "/v1/sessions/S1", "").refused(t, domain.CodeNotFound, "")
	if len(s.ended)+len(s.signals) > 0 {
		t.Fatalf("another user's session was ended: %+v", s.ended)
	}
	s.call(t, "alice", "DELETE", "/v1/sessions/S2", "").want(t, 204)
	if len(s.ended) != 1 || len(s.signals) != 1 ||
		s.signals[0] != domain.Signal(domain.EndSessions{User: "alice", Session: "S2", Code: 4401}) {
		t.Errorf("ended %+v, signalled %+v", s.ended, s.signals)
	}
	s.fail = domain.ErrUnavailable
	s.call(t, "alice", "GET", "/v1/sessions", "").refused(t, domain.CodeUnavailable, "")
}

func TestEndSessionsIsForBackendsAndRevokes(t *testing.T) {
	s := newTestServer(t)
	s.call(t, "alice", "DELETE", "/v1/users/alice/sessions", "").refused(t, domain.CodeForbidden, "")
	s.call(t, "!shop", "DELETE", "/v1/users/alice/sessions?revoke=true", "", "X-IM-User: alice").refused(t, domain.CodeForbidden, "")
	s.call(t, "!shop", "DELETE", "/v1/users/alice/sessions?revoke=maybe", "").refused(t, domain.CodeInvalid, "/revoke")
	if len(s.ended)+len(s.revoked) > 0 {
		t.Fatal("a refused call did something")
	}
	s.call(t, "!shop", "DELETE", "/v1/users/alice/sessions", "").want(t, 204)
	if len(s.ended) != 1 || s.ended[0].User != "alice" || len(s.revoked) != 0 || len(s.signals) != 1 {
		t.Errorf("ended %+v, revoked %v", s.ended, s.revoked)
	}
	began := time.Now()
	s.call(t, "!shop", "DELETE", "/v1/users/bob/sessions?revoke=true", "").want(t, 204)
	if len(s.revoked) != 1 || s.revoked[0] != "bob" || len(s.ended) != 2 {
		t.Errorf("revoked %v", s.revoked)
	}
	if began.Unix() == time.Now().Unix() {
		t.Error("the answer came in the second of the revocation")
	}
}
