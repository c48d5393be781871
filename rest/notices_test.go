package rest

import (
	"encoding/json"
	"strings"
	"testing"

	"im/domain"
)

func TestNoticesReachLiveSessionsAndCountThem(t *testing.T) {
	s := newTestServer(t)
	s.sessions = map[domain.UserID][]domain.LiveSession{
		"alice": {{SessionID: "S1"}, {SessionID: "S2", Background: true}}, "bob": {{SessionID: "S3", Background: true}},
	}
	const notice = `{"biz_type":"order","data":{"<id>":[1, null]}}`
	for path, want := range map[string][3]string{
		"/v1/users/alice/notices": {"alice", "1", "2"},
		"/v1/users/bob/notices":   {"bob", "0", "1"},
		"/v1/users/eve/notices":   {"eve", "0", "0"},
		"/v1/notices":             {"", "2", "3"},
	} {
		s.signals = nil
		got := s.call(t, "!shop", "POST", path, notice).want(t, 200)
		var answer struct {
			NoticeID string `json:"notice_id"`
		}
		if err := json.Unmarshal(got.body, &answer); err != nil {
			t.Fatal(err)
		}
		if end := `,"online":` + want[1] + `,"sessions":` + want[2] + `}`; !strings.HasSuffix(string(got.body), end) {
			t.Errorf("%s: %s, want %s", path, got.body, end)
		}
		if len(s.signals) != 1 {
			t.Fatalf("%s: %+v", path, s.signals)
		}
		var sent []byte
		if want[0] == "" {
			sent = s.broadcast(t, 0).Frame
		} else if sig := s.userFrame(t, 0); string(sig.User) == want[0] {
			sent = sig.Frame
		}
		var frame domain.Notice
		if err := json.Unmarshal(sent, &frame); err != nil {
			t.Fatalf("%s: %v: %+v", path, err, s.signals)
		}
		if frame.Type != "notice" || frame.NoticeID != answer.NoticeID || frame.BizType != "order" || !strings.Contains(string(frame.Data), "null") {
			t.Errorf("frame %s", sent)
		}
	}
}

func TestBackendCallsAreForbiddenToUsers(t *testing.T) {
	s := newTestServer(t)
	for _, c := range [][3]string{
		{"POST", "/v1/users/alice/notices", `{"biz_type":"x","data":1}`},
		{"POST", "/v1/notices", `{"biz_type":"x","data":1}`},
		{"GET", "/v1/stats", ""},
		{"PUT", "/v1/users/alice", `{}`},
		{"DELETE", "/v1/users/alice/sessions", ""},
	} {
		s.call(t, "alice", c[0], c[1], c[2]).refused(t, domain.CodeForbidden, "")
		s.call(t, "!shop", c[0], c[1], c[2], "X-IM-User: alice").refused(t, domain.CodeForbidden, "")
		s.call(t, "forged", c[0], c[1], c[2]).refused(t, domain.CodeUnauthenticated, "")
	}
	if len(s.signals)+len(s.ended)+len(s.profiles) > 0 {
		t.Error("a refused call did something")
	}
}

func TestInvalidNotices(t *testing.T) {
	s := newTestServer(t)
	for body, field := range map[string]string{
		`{"biz_type":"","data":1}`:           "/biz_type",
		`{"data":1}`:                         "/biz_type",
		`{"biz_type":"x"}`:                   "/data",
		`{"biz_type":"x","data":1,"to":"b"}`: "/to",
	} {
		s.call(t, "!shop", "POST", "/v1/notices", body).refused(t, domain.CodeInvalid, field)
	}
	large := `{"biz_type":"x","data":"` + strings.Repeat("x", 32_768) + `"}`
	s.call(t, "!shop", "POST", "/v1/notices", large).refused(t, domain.CodeTooLarge, "/data")
	s.fail = domain.ErrUnavailable
	s.call(t, "!shop", "POST", "/v1/notices", `{"biz_type":"x","data":1}`).refused(t, domain.CodeUnavailable, "")
	if len(s.signals) > 0 {
		t.Error("a call that failed has sent something")
	}
}
