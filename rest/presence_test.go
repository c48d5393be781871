package rest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"im/domain"
)

func TestPresence(t *testing.T) {
	s := newTestServer(t)
	r := s.call(t, "alice", "GET", "/v1/presence?user_id=online&user_id=offline&user_id=unknown&user_id=eve", "").want(t, 200)
	var page domain.Page[domain.Presence]
	if err := json.Unmarshal(r.body, &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Items) != 4 || page.NextCursor != nil {
		t.Errorf("%s", r.body)
	}
	want := `{"items":[{"user_id":"online","online":true},{"user_id":"offline","online":false,"last_seen_at":"2026-01-02T03:04:05.678901Z"},` +
		`{"user_id":"unknown","online":null},{"user_id":"eve","online":false}],"next_cursor":null}`
	if diff := cmp.Diff(want, string(r.body)); diff != "" {
		t.Error(diff)
	}
	s.call(t, "alice", "GET", "/v1/presence", "").refused(t, domain.CodeInvalid, "/user_id")
	s.call(t, "alice", "GET", "/v1/presence?user_id=a%20b", "").refused(t, domain.CodeInvalid, "/user_id/0")
	s.call(t, "alice", "GET", "/v1/presence?"+strings.Repeat("user_id=a&", 101), "").refused(t, domain.CodeInvalid, "/user_id")
}
