package rest

import (
	"strings"
	"testing"
	"time"

	"im/domain"
)

// moderationOperations makes the calls of moderation that succeed, in the group at base,
// whose owner is alice and whose admin is bob.
func moderationOperations(t *testing.T, s *testServer, base string) {
	t.Helper()
	s.call(t, "alice", "PATCH", base, `{"settings":{"posting":"nobody","slow_mode_s":60}}`).want(t, 200)
	s.call(t, "alice", "PATCH", base, `{"settings":{"posting":"everyone","slow_mode_s":0}}`).want(t, 200)
	const soon = `{"until":"2030-01-02T03:04:05Z","reason":"spam"}`
	banned := s.call(t, "bob", "PUT", base+"/bans/dave", soon).want(t, 200).event(t)
	if want := `{"user_id":"dave","until":"2030-01-02T03:04:05.000000Z","reason":"spam"}`; banned.Type != domain.MemberBanned || string(banned.Body) != want {
		t.Errorf("a banned member: %s %s", banned.Type, banned.Body)
	}
	s.call(t, "bob", "PUT", base+"/bans/dave", soon).want(t, 204)
	s.call(t, "alice", "PUT", base+"/members/dave", `{"role":"member"}`).refused(t, domain.CodeForbidden, "")
	s.call(t, "alice", "POST", base+"/members", `{"user_ids":["erin","dave"]}`).refused(t, domain.CodeForbidden, "/user_ids/1")
	if got := s.call(t, "bob", "GET", base+"/bans?limit=1", "").want(t, 200); !strings.Contains(string(got.body), `"by":"bob"`) {
		t.Errorf("bans: %s", got.body)
	}
	s.call(t, "carol", "GET", base+"/bans", "").refused(t, domain.CodeForbidden, "")
	s.call(t, "eve", "GET", base+"/bans", "").refused(t, domain.CodeNotFound, "")
	s.call(t, "bob", "DELETE", base+"/bans/dave", "").want(t, 200)
	s.call(t, "bob", "DELETE", base+"/bans/dave", "").want(t, 204)

	s.call(t, "bob", "PUT", base+"/mutes/carol", `{"until":null}`).want(t, 200)
	s.call(t, "bob", "PUT", base+"/mutes/carol", `{}`).want(t, 204)
	s.call(t, "bob", "GET", base+"/mutes", "").want(t, 200)
	s.call(t, "bob", "DELETE", base+"/mutes/carol", "").want(t, 200)
	s.call(t, "bob", "DELETE", base+"/mutes/carol", "").want(t, 204)
	s.call(t, "bob", "PUT", base+"/mutes/carol", `{"until":"2020-01-02T03:04:05Z"}`).refused(t, domain.CodeInvalid, "/until")
	s.call(t, "bob", "PUT", base+"/mutes/alice", `{}`).refused(t, domain.CodeForbidden, "")

	sent := s.call(t, "carol", "POST", base+"/messages", `{"client_msg_id":"bad","content":{"type":"text","text":"bad"}}`).want(t, 201).event(t)
	reports := base + "/messages/" + itoa(sent.Seq) + "/reports"
	s.call(t, "bob", "POST", reports, `{"category":"spam","text":"again"}`).want(t, 204)
	s.call(t, "bob", "POST", reports, `{"category":"abuse"}`).want(t, 204)
	s.call(t, "bob", "POST", reports, `{"category":"boring"}`).refused(t, domain.CodeInvalid, "/category")
	s.call(t, "bob", "POST", reports, `{"category":"spam","text":"`+strings.Repeat("x", 1001)+`"}`).refused(t, domain.CodeInvalid, "/text")
	s.call(t, "eve", "POST", reports, `{"category":"spam"}`).refused(t, domain.CodeNotFound, "")
	list := s.call(t, "!shop", "GET", "/v1/reports?state=open&limit=1", "").want(t, 200)
	if !strings.Contains(string(list.body), `"reporter":"bob","category":"spam","text":"again","state":"open"`) {
		t.Errorf("reports: %s", list.body)
	}
	s.call(t, "!shop", "PATCH", "/v1/reports/"+reportID, `{"state":"accepted"}`).want(t, 200)
	s.call(t, "!shop", "PATCH", "/v1/reports/0198c5de-0000-7000-8000-000000000001", `{"state":"accepted"}`).refused(t, domain.CodeNotFound, "")
	for _, user := range []string{"alice", "bob"} {
		s.call(t, user, "GET", "/v1/reports", "").refused(t, domain.CodeForbidden, "")
		s.call(t, user, "PATCH", "/v1/reports/"+reportID, `{"state":"open"}`).refused(t, domain.CodeForbidden, "")
		s.call(t, user, "PUT", "/v1/users/eve/ban", `{}`).refused(t, domain.CodeForbidden, "")
		s.call(t, user, "DELETE", "/v1/users/eve/ban", "").refused(t, domain.CodeForbidden, "")
	}

	s.call(t, "!shop", "PUT", "/v1/users/eve/ban", `{"reason":"fraud"}`).want(t, 204)
	if end := s.ended[len(s.ended)-1]; end.User != "eve" || end.Code != domain.CloseBanned {
		t.Errorf("ended %+v", end)
	}
	s.call(t, "!shop", "PUT", "/v1/users/eve/ban", `{"until":"2020-01-02T03:04:05Z"}`).refused(t, domain.CodeInvalid, "/until")
	s.call(t, "!shop", "DELETE", "/v1/users/eve/ban", "").want(t, 204)
}

// TestForbiddenForATimeSaysHowLong: a refusal by a mute or a ban with an end names the rest
// of it, and slow mode the time to the next message.
func TestForbiddenForATimeSaysHowLong(t *testing.T) {
	s := newTestServer(t)
	base := "/v1/conversations/" + s.group(t).String()
	clock := now.Time
	s.SetClock(func() time.Time { return clock })
	const message = `{"client_msg_id":"a","content":{"type":"text","text":"a"}}`
	says := func(got reply, want string) {
		t.Helper()
		if !strings.Contains(string(got.body), want) {
			t.Errorf("%s, want %s", got.body, want)
		}
	}
	until := `{"until":"` + now.Add(time.Minute).Format(time.RFC3339Nano) + `"}`
	s.call(t, "alice", "PUT", base+"/mutes/carol", until).want(t, 200)
	says(s.call(t, "carol", "POST", base+"/messages", message).want(t, 403), `"code":"forbidden","retry":"never","retry_after_ms":60000`)
	s.call(t, "alice", "PUT", base+"/mutes/carol", `{}`).want(t, 200)
	says(s.call(t, "carol", "POST", base+"/messages", message).want(t, 403), `"code":"forbidden","retry":"never"}`)
	s.call(t, "alice", "DELETE", base+"/mutes/carol", "").want(t, 200)
	s.call(t, "alice", "PATCH", base, `{"settings":{"slow_mode_s":60}}`).want(t, 200)
	s.call(t, "carol", "POST", base+"/messages", message).want(t, 201)
	s.call(t, "carol", "POST", base+"/messages", message).want(t, 200) // a repetition is no second message
	clock = clock.Add(20 * time.Second)
	says(s.call(t, "carol", "POST", base+"/messages", strings.ReplaceAll(message, `"a"`, `"b"`)).want(t, 429), `"code":"rate_limited","retry":"after","retry_after_ms":40000`)
}
