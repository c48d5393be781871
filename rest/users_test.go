package rest

import (
	"strings"
	"testing"

	"im/domain"
)

// userOperations makes the calls about users that succeed. It is a part of
// TestOperationsAnswerAsDescribed.
func userOperations(t *testing.T, s *testServer) {
	t.Helper()
	s.call(t, "!shop", "PUT", "/v1/users/bob", `{"name":"Bob","avatar_url":null,"metadata":{"a":1}}`).want(t, 200)
	s.call(t, "alice", "GET", "/v1/users?user_id=bob&user_id=alice", "").want(t, 200)
	base := "/v1/conversations/" + s.group(t).String()
	s.call(t, "alice", "GET", base+"/preferences", "").want(t, 200)
	s.call(t, "alice", "PATCH", base+"/preferences", `{"notify":"none","pinned":true,"archived":true}`).want(t, 200)
	s.sessions = map[domain.UserID][]domain.LiveSession{"alice": {{SessionID: "S1", DeviceID: "phone", NodeID: "n-1"}}}
	s.call(t, "alice", "GET", "/v1/sessions", "").want(t, 200)
	s.call(t, "alice", "DELETE", "/v1/sessions/S1", "").want(t, 204)
	s.call(t, "!shop", "DELETE", "/v1/users/alice/sessions", "").want(t, 204)
	s.call(t, "alice", "PUT", "/v1/blocks/mallory", "").want(t, 204)
	s.call(t, "alice", "GET", "/v1/blocks?limit=1", "").want(t, 200)
	s.call(t, "alice", "DELETE", "/v1/blocks/mallory", "").want(t, 204)
	s.call(t, "!shop", "POST", "/v1/users/alice/notices", `{"biz_type":"x","data":{}}`).want(t, 200)
	s.call(t, "!shop", "POST", "/v1/notices", `{"biz_type":"x","data":null}`).want(t, 200)
	s.call(t, "!shop", "GET", "/v1/stats", "").want(t, 200)
}

func TestBlocksRefuseInvalidUsers(t *testing.T) {
	s := newTestServer(t)
	s.call(t, "alice", "PUT", "/v1/blocks/alice", "").refused(t, domain.CodeInvalid, "/user_id")
	s.call(t, "alice", "PUT", "/v1/blocks/a%20b", "").refused(t, domain.CodeInvalid, "/user_id")
	s.call(t, "alice", "GET", "/v1/blocks?cursor=x", "").refused(t, domain.CodeCursorInvalid, "")
	s.call(t, "alice", "GET", "/v1/blocks?limit=501", "").refused(t, domain.CodeInvalid, "/limit")
	if len(s.blocks) > 0 {
		t.Errorf("blocked %v", s.blocks)
	}
}

func TestUsersAreShownToUsersOfSharedConversations(t *testing.T) {
	s := newTestServer(t)
	s.group(t)
	for _, user := range []string{"bob", "eve"} {
		s.call(t, "!shop", "PUT", "/v1/users/"+user, `{"name":"`+strings.ToUpper(user)+`","metadata":{"team":7}}`).want(t, 200)
	}
	const bob = `"bob":{"name":"BOB","avatar_url":null,"metadata":{"team":7}}`
	const eve = `"eve":{"name":"EVE","avatar_url":null,"metadata":{"team":7}}`
	for token, want := range map[string]string{
		"alice": bob, "dave": "", "eve": eve, "!shop": bob + "," + eve, "bob": bob,
	} {
		got := s.call(t, token, "GET", "/v1/users?user_id=bob&user_id=eve&user_id=unknown", "").want(t, 200)
		if string(got.body) != `{"users":{`+want+`}}` {
			t.Errorf("%s sees %s", token, got.body)
		}
	}
}

func TestPutUserIsForBackendsAndReplaces(t *testing.T) {
	s := newTestServer(t)
	const profile = `{"name":"Bob","avatar_url":"https://example.org/b.png","metadata":{"a":1}}`
	s.call(t, "bob", "PUT", "/v1/users/bob", profile).refused(t, domain.CodeForbidden, "")
	s.call(t, "!shop", "PUT", "/v1/users/bob", profile, "X-IM-User: bob").refused(t, domain.CodeForbidden, "")
	if got := s.call(t, "!shop", "PUT", "/v1/users/bob", profile).want(t, 200); string(got.body) != profile {
		t.Errorf("answer: %s", got.body)
	}
	if got := s.call(t, "!shop", "PUT", "/v1/users/bob", `{"name":"B"}`).want(t, 200); string(got.body) != `{"name":"B","avatar_url":null,"metadata":null}` {
		t.Errorf("fields that are not given are kept: %s", got.body)
	}
	s.call(t, "!shop", "PUT", "/v1/users/bob", `{"name":"`+strings.Repeat("é", 201)+`"}`).refused(t, domain.CodeInvalid, "/name")
	s.call(t, "!shop", "PUT", "/v1/users/bob", `{"name":"`+strings.Repeat("é", 200)+`"}`).want(t, 200)
	s.call(t, "!shop", "PUT", "/v1/users/bob", `{"nick":"B"}`).refused(t, domain.CodeInvalid, "/nick")
	s.call(t, "!shop", "PUT", "/v1/users/bob", `{"metadata":[]}`).refused(t, domain.CodeInvalid, "/metadata")
	s.call(t, "!shop", "PUT", "/v1/users/b%20b", `{}`).refused(t, domain.CodeInvalid, "/user_id")
	s.call(t, "alice", "GET", "/v1/users", "").refused(t, domain.CodeInvalid, "/user_id")
	s.call(t, "alice", "GET", "/v1/users?user_id="+strings.Repeat("x&user_id=", 100)+"x", "").refused(t, domain.CodeInvalid, "/user_id")
}
