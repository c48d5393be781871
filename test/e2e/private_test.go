package e2e

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/auth"
)

// restCall is one REST call. {id} in the path stands for a conversation.
type restCall struct {
	method, path string
	body         any
}

func (c restCall) name() string { return c.method + " " + c.path }

// pathFor returns the path for a conversation.
func (c restCall) pathFor(id string) string { return strings.ReplaceAll(c.path, "{id}", id) }

// conversationCalls has all calls whose path names a conversation.
var conversationCalls = []restCall{
	{"GET", "/v1/conversations/{id}", nil},
	{"PATCH", "/v1/conversations/{id}", map[string]any{"title": "mine"}},
	{"GET", "/v1/conversations/{id}/members", nil},
	{"GET", "/v1/conversations/{id}/receipts", nil},
	{"POST", "/v1/conversations/{id}/members", map[string]any{"user_ids": []string{"eve"}}},
	{"PUT", "/v1/conversations/{id}/members/eve", map[string]any{"role": "member"}},
	{"PUT", "/v1/conversations/{id}/members/bob", map[string]any{"role": "admin"}},
	{"DELETE", "/v1/conversations/{id}/members/eve", nil},
	{"DELETE", "/v1/conversations/{id}/members/bob", nil},
	{"POST", "/v1/conversations/{id}/messages", map[string]any{"client_msg_id": "e", "content": text("x")}},
	{"GET", "/v1/conversations/{id}/messages", nil},
	{"GET", "/v1/conversations/{id}/messages?as_of_seq=2", nil},
	{"GET", "/v1/conversations/{id}/messages/2", nil},
	{"PATCH", "/v1/conversations/{id}/messages/2", map[string]any{"content": text("x")}},
	{"DELETE", "/v1/conversations/{id}/messages/2", nil},
	{"GET", "/v1/conversations/{id}/messages/2/reactions", nil},
	{"PUT", "/v1/conversations/{id}/messages/2/reactions/x", nil},
	{"DELETE", "/v1/conversations/{id}/messages/2/reactions/x", nil},
	{"PUT", "/v1/conversations/{id}/messages/2/pin", nil},
	{"DELETE", "/v1/conversations/{id}/messages/2/pin", nil},
	{"GET", "/v1/conversations/{id}/pins", nil},
	{"GET", "/v1/conversations/{id}/bans", nil},
	{"PUT", "/v1/conversations/{id}/bans/bob", map[string]any{}},
	{"DELETE", "/v1/conversations/{id}/bans/bob", nil},
	{"GET", "/v1/conversations/{id}/mutes", nil},
	{"PUT", "/v1/conversations/{id}/mutes/bob", map[string]any{}},
	{"DELETE", "/v1/conversations/{id}/mutes/bob", nil},
	{"POST", "/v1/conversations/{id}/messages/2/reports", map[string]any{"category": "spam"}},
	{"GET", "/v1/conversations/{id}/events", nil},
	{"GET", "/v1/search/messages?q=private&conversation_id={id}", nil},
	{"PUT", "/v1/conversations/{id}/read", map[string]any{"seq": 1}},
	{"PUT", "/v1/conversations/{id}/ack", map[string]any{"device_id": "phone", "seq": 1}},
	{"GET", "/v1/conversations/{id}/preferences", nil},
	{"PATCH", "/v1/conversations/{id}/preferences", map[string]any{"pinned": true}},
}

// aWebhook is the path of a webhook that does not exist.
const aWebhook = "/v1/webhooks/0198c5de-0000-7000-8000-000000000003"

// otherCalls has the other calls that need a token.
var otherCalls = []restCall{
	{"GET", "/v1/conversations", nil},
	{"POST", "/v1/conversations", map[string]any{"kind": "group", "members": []string{}}},
	{"POST", "/v1/messages", map[string]any{"to": "bob", "client_msg_id": "e", "content": text("x")}},
	{"GET", "/v1/sync", nil},
	{"GET", "/v1/search/messages?q=private", nil},
	{"GET", "/v1/users?user_id=bob", nil},
	{"PUT", "/v1/users/bob", map[string]any{"name": "x"}},
	{"GET", "/v1/sessions", nil},
	{"DELETE", "/v1/sessions/S1", nil},
	{"DELETE", "/v1/users/bob/sessions", nil},
	{"PUT", "/v1/users/bob/ban", map[string]any{}},
	{"DELETE", "/v1/users/bob/ban", nil},
	{"GET", "/v1/reports", nil},
	{"PATCH", "/v1/reports/0198c5de-0000-7000-8000-000000000001", map[string]any{"state": "accepted"}},
	{"GET", "/v1/blocks", nil},
	{"PUT", "/v1/blocks/bob", nil},
	{"DELETE", "/v1/blocks/bob", nil},
	{"POST", "/v1/users/bob/notices", map[string]any{"biz_type": "x", "data": 1}},
	{"POST", "/v1/notices", map[string]any{"biz_type": "x", "data": 1}},
	{"GET", "/v1/stats", nil},
	{"GET", "/v1/feed", nil},
	{"POST", "/v1/attachments", declaration("a", "image/png", png)},
	{"GET", "/v1/attachments/0198c5de-0000-7000-8000-000000000004", nil},
	{"GET", "/v1/push", nil},
	{"PUT", "/v1/devices/phone/push", map[string]any{"provider": "fcm", "token": "t"}},
	{"DELETE", "/v1/devices/phone/push", nil},
	{"POST", "/v1/devices/phone/push/test", nil},
	{"GET", "/v1/webhooks", nil},
	// Of a conversation that does not exist, so that nothing is called.
	{"POST", "/v1/webhooks", map[string]any{
		"url": "http://127.0.0.1:1/x", "description": "x", "types": []string{"message.posted"}, "from": "now",
		"conversation_ids": []string{"0198c5de-0000-7000-8000-000000000002"},
	}},
	{"GET", aWebhook, nil},
	{"PATCH", aWebhook, map[string]any{"description": "x"}},
	{"DELETE", aWebhook, nil},
	{"POST", aWebhook + "/rotate", nil},
	{"POST", aWebhook + "/test", nil},
	{"POST", aWebhook + "/replay", map[string]any{"since": "2026-01-02T03:04:05Z"}},
	{"GET", aWebhook + "/deliveries?state=failed", nil},
	{"GET", "/v1/conversations/{id}/messages/2/trace", nil},
}

// conversationFrames has all request frames that name a conversation.
var conversationFrames = []map[string]any{
	{"type": "send", "client_msg_id": "e", "content": text("x")},
	{"type": "pull", "after_seq": 0},
	{"type": "pull", "before_seq": 10},
	{"type": "read", "seq": 1},
}

// badTokens returns tokens that must be refused, by what is wrong with them.
func badTokens(t *testing.T) map[string]string {
	t.Helper()
	expired, err := auth.Sign(secret, "alice", auth.Grant{TTL: -time.Hour})
	require.NoError(t, err)
	forged, err := auth.Sign(strings.ToUpper(secret), "alice", auth.Grant{TTL: time.Hour})
	require.NoError(t, err)
	good := userToken(t, "alice")
	unsigned := "eyJhbGciOiJub25lIn0." + strings.Split(good, ".")[1] + "."
	return map[string]string{"no token": "", "expired": expired, "forged": forged, "unsigned": unsigned, "garbage": "x.y.z"}
}

// TestI8Private makes every call and sends every frame as a stranger, as a former member,
// and without a valid token. The answers are the same whether the conversation exists or
// not, and nothing changes.
func TestI8Private(t *testing.T) {
	c, _ := newFileCluster(t)
	n := c.node("one")
	id := n.group("alice", "bob", "frank")
	alice := connect(t, n.URL, "alice", "phone")
	require.EqualValues(t, 2, alice.post(id, "c", "private").Seq)
	n.remove("alice", id, "frank")
	before := alice.history(id)
	missing := uuid.NewString()

	for _, user := range []domain.UserID{"eve", "frank"} {
		for _, call := range conversationCalls {
			status, body := n.call(user, call.method, call.pathFor(id.String()), call.body)
			require.Equal(t, http.StatusNotFound, status, "%s %s: %s", user, call.name(), body)
			_, none := n.call(user, call.method, call.pathFor(missing), call.body)
			require.Equal(t, withoutRequestID(none), withoutRequestID(body), "%s %s reveals that the conversation exists", user, call.name())
		}
		trace := restCall{"GET", "/v1/conversations/{id}/messages/2/trace", nil}
		status, body := n.call(user, trace.method, trace.pathFor(id.String()), nil)
		require.Equal(t, http.StatusForbidden, status)
		_, none := n.call(user, trace.method, trace.pathFor(missing), nil)
		require.Equal(t, withoutRequestID(none), withoutRequestID(body), "a trace reveals that the conversation exists")
		s := connect(t, n.URL, user, "phone")
		for _, fields := range conversationFrames {
			require.Equal(t, s.refusalOf(fields, missing), s.refusalOf(fields, id.String()), "%s %v", user, fields)
		}
		s.write(map[string]any{"type": "ack", "acks": map[string]int64{id.String(): 3, missing: 1}})
		views, last := s.sync("", 100)
		require.Empty(t, views)
		require.Zero(t, *last.UnreadTotal)
		require.Equal(t, "pong", s.request(map[string]any{"type": "ping"}).Type, "the socket still works")
	}
	for what, bearer := range badTokens(t) {
		for _, call := range append(append([]restCall{}, conversationCalls...), otherCalls...) {
			status, body := n.callWith(bearer, call.method, call.pathFor(id.String()), call.body)
			require.Equal(t, http.StatusUnauthorized, status, "%s, %s: %s", what, call.name(), body)
			code := domain.CodeUnauthenticated
			if what == "expired" {
				code = domain.CodeTokenExpired
			}
			require.Equal(t, code, decode[sent](t, body).Code, "%s, %s", what, call.name())
		}
		s := dial(t, n.URL, nil)
		hello := map[string]any{"type": "hello", "device_id": "phone"}
		if bearer != "" {
			hello["token"] = bearer
		}
		s.write(hello)
		want := 4400
		if what == "expired" {
			want = 4200
		}
		require.Equal(t, want, s.closed(), what)
	}
	require.Equal(t, before, alice.history(id), "nothing changed")
	_, err := domain.ParseConversationID("", missing)
	require.NoError(t, err)
}

var requestIDField = regexp.MustCompile(`,?"request_id":"[^"]*"`)

// withoutRequestID returns a problem document without what differs in each answer.
func withoutRequestID(body []byte) string { return requestIDField.ReplaceAllString(string(body), "") }

// refusalOf sends a request for a conversation, asserts not_found, and returns the answer
// without the request id.
func (s *socket) refusalOf(fields map[string]any, id string) string {
	s.t.Helper()
	request := map[string]any{"conversation_id": id}
	for k, v := range fields {
		request[k] = v
	}
	f := s.request(request)
	require.Equal(s.t, "error", f.Type, "%s", f.raw)
	require.Equal(s.t, domain.CodeNotFound, decode[sent](s.t, f.raw).Code)
	return strings.Replace(string(f.raw), `"id":"`+f.ID+`"`, "", 1)
}

// TestI8ActingForUsers: only a server token may act for other users.
func TestI8ActingForUsers(t *testing.T) {
	c := newCluster(t)
	n := c.node("one")
	id := n.direct("alice", "bob")
	server, err := auth.Sign(secret, "backend", auth.Grant{TTL: time.Hour, Server: true})
	require.NoError(t, err)

	call := func(bearer, actAs string) int {
		req, err := http.NewRequest("GET", n.URL+"/v1/conversations/"+id.String(), nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+bearer)
		if actAs != "" {
			req.Header.Set("X-IM-User", actAs)
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	require.Equal(t, http.StatusOK, call(server, ""))
	require.Equal(t, http.StatusOK, call(server, "alice"))
	require.Equal(t, http.StatusNotFound, call(server, "eve"))
	require.Equal(t, http.StatusBadRequest, call(server, "no user"))
	require.Equal(t, http.StatusForbidden, call(userToken(t, "alice"), "alice"))
	require.Equal(t, http.StatusForbidden, call(userToken(t, "eve"), "alice"))
}

// TestOrigin: a page of another origin cannot open a socket, even with a valid token.
func TestOrigin(t *testing.T) {
	c := newCluster(t)
	n := c.node("one", "IM_ALLOWED_ORIGINS=https://chat.example.org")
	upgrade := func(origin string) int {
		req, err := http.NewRequest("GET", n.URL+"/v1/ws", nil)
		require.NoError(t, err)
		for k, v := range map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
			"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "im.v1",
			"Authorization": "Bearer " + userToken(t, "alice"),
		} {
			req.Header.Set(k, v)
		}
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	require.Equal(t, http.StatusSwitchingProtocols, upgrade(""))
	require.Equal(t, http.StatusSwitchingProtocols, upgrade(n.URL))
	require.Equal(t, http.StatusSwitchingProtocols, upgrade("https://chat.example.org"))
	require.Equal(t, http.StatusForbidden, upgrade("https://evil.example.org"))
	require.Equal(t, http.StatusForbidden, upgrade("http://chat.example.org"))
	require.Equal(t, http.StatusForbidden, upgrade("null"))
}
