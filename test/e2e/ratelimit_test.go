package e2e

import (
	"bytes"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/auth"
	"im/test/eventually"
)

// TestRateLimitOfSignals: pings and acknowledgements share a rate limit. An
// acknowledgement that exceeds it is stored nevertheless.
func TestRateLimitOfSignals(t *testing.T) {
	c := newCluster(t, "IM_RATE_USER_SIGNALS=0.001:2")
	n := c.node("one")
	id := n.direct("alice", "bob")
	alice := connect(t, n.URL, "alice", "phone")
	head := alice.post(id, "c", "x").Seq
	for range 2 {
		require.Equal(t, "pong", alice.request(map[string]any{"type": "ping"}).Type)
	}
	var refused struct {
		sent
		Retry   domain.Retry `json:"retry"`
		AfterMS int64        `json:"retry_after_ms"`
	}
	alice.request(map[string]any{"type": "ping"}).into(t, &refused)
	require.Equal(t, domain.CodeRateLimited, refused.Code)
	require.Equal(t, domain.RetryAfter, refused.Retry)
	require.InDelta(t, 1_000_000, refused.AfterMS, 100_000)
	alice.write(map[string]any{"type": "ack", "acks": map[string]any{id.String(): head}})
	alice.next("error").into(t, &refused)
	require.Equal(t, domain.CodeRateLimited, refused.Code)
	bob := connect(t, n.URL, "bob", "phone")
	require.Equal(t, "pong", bob.request(map[string]any{"type": "ping"}).Type, "other users are not limited")
	eventually.True(t, "the acknowledgement is stored", func() bool {
		views, _ := alice.sync("", 10)
		return views[id].AckedSeq == head
	})
}

// callFrom makes a call that a proxy forwarded from an address.
func (n *testNode) callFrom(address, bearer, method, path string, body []byte) *http.Response {
	n.t.Helper()
	req, err := http.NewRequest(method, n.URL+path, bytes.NewReader(body))
	require.NoError(n.t, err)
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Forwarded-For", address)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(n.t, err)
	require.NoError(n.t, resp.Body.Close())
	return resp
}

// TestRateLimit: a request that exceeds a rate limit is refused with a delay, over either
// transport. Each user and each address has its own limit. The rates are so low that no
// bucket refills during the test.
func TestRateLimit(t *testing.T) {
	c := newCluster(t, "IM_RATE_USER_SENDS=0.001:3", "IM_RATE_ADDRESS_READS=0.001:2", "IM_RATE_ADDRESS_CONNECTS=0.001:5",
		"IM_TRUSTED_PROXIES=127.0.0.0/8")
	n := c.node("one")
	server, err := auth.Sign(secret, "backend", auth.Grant{TTL: time.Hour, Server: true})
	require.NoError(t, err)
	message := []byte(`{"to":"bob","client_msg_id":"c","content":{"type":"text","text":"x"}}`)

	alice := connect(t, n.URL, "alice", "phone")
	id := n.direct("alice", "bob") // alice's first send
	require.Empty(t, alice.post(id, "c-1", "x").Code)
	require.Empty(t, alice.post(id, "c-2", "x").Code)
	var refused struct {
		sent
		Retry   domain.Retry `json:"retry"`
		AfterMS int64        `json:"retry_after_ms"`
	}
	alice.request(map[string]any{"type": "send", "conversation_id": id, "client_msg_id": "c-3", "content": text("x")}).into(t, &refused)
	require.Equal(t, domain.CodeRateLimited, refused.Code)
	require.Equal(t, domain.RetryAfter, refused.Retry)
	require.InDelta(t, 1_000_000, refused.AfterMS, 100_000)
	resp := n.callFrom("192.0.2.1", userToken(t, "alice"), "POST", "/v1/messages", message)
	require.Equal(t, http.StatusTooManyRequests, resp.StatusCode, "the same limit over REST")
	after, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	require.NoError(t, err)
	require.InDelta(t, 1000, after, 100)
	require.Equal(t, http.StatusCreated, n.callFrom("192.0.2.1", userToken(t, "carol"), "POST", "/v1/messages", message).StatusCode)

	for i, want := range []int{200, 200, 429, 429} {
		require.Equal(t, want, n.callFrom("1.1.1.1, 198.51.100.1", userToken(t, "dave"), "GET", "/v1/sync", nil).StatusCode, "call %d", i)
	}
	require.Equal(t, 429, n.callFrom("2.2.2.2, 198.51.100.1", userToken(t, "erin"), "GET", "/v1/sync", nil).StatusCode, "addresses that the client wrote are ignored")
	require.Equal(t, 200, n.callFrom("198.51.100.2", userToken(t, "erin"), "GET", "/v1/sync", nil).StatusCode)
	for range 10 {
		require.Equal(t, 200, n.callFrom("198.51.100.1", server, "GET", "/v1/conversations", nil).StatusCode, "backends are not limited")
	}
	for i, want := range []int{401, 401, 401, 401, 401, 429} {
		require.Equal(t, want, n.callFrom("198.51.100.3", "guess", "GET", "/v1/sync", nil).StatusCode, "guess %d", i)
	}
	_, events := n.callWith(server, "GET", "/v1/conversations/"+id.String()+"/events", nil)
	require.Len(t, decode[page](t, events).Events, 3, "refused sends are not stored")
}
