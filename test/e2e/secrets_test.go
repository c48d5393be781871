//go:build !race

// It cuts the connection to RabbitMQ: see watermill#693.

package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"im/test/eventually"
	"im/test/proxytest"
)

// TestNoSecretsInLogs: the log holds no token, password, signing secret or text of users,
// even at level debug and when services fail.
func TestNoSecretsInLogs(t *testing.T) {
	c := newCluster(t)
	const password, words = "private-password", "private-words"
	database, err := url.Parse(c.env[0][len("IM_DATABASE_URL="):])
	require.NoError(t, err)
	database.User = url.UserPassword(database.User.Username(), password)
	hook := "http://127.0.0.1:1/hook?token=" + password // nothing answers there
	n := c.node("one", "IM_LOG_LEVEL=debug", "IM_DATABASE_URL="+database.String(), "IM_HOOK_URL="+hook, "IM_HOOK_SECRET="+hookSecret)
	bearer := userToken(t, "alice")
	id := n.create("alice", map[string]any{"kind": "group", "members": []string{"bob"}, "title": words, "metadata": map[string]any{words: words}})
	alice, bob := connect(t, n.URL, "alice", "phone"), connect(t, n.URL, "bob", "phone")
	require.Empty(t, alice.post(id, "c-1", words).Code)
	bob.waitEvent(id, 2)
	base := "/v1/conversations/" + id.String()
	for _, body := range []string{
		`{"client_msg_id":"c-1","content":{"type":"text","text":"` + words + ` other"}}`, `{"` + words + `":1}`, `{"` + words, `["` + words + `"]`,
		`{"client_msg_id":"c","content":{"type":"text","text":"` + words + `"},"mentions":["unknown"]}`,
		`{"client_msg_id":"c","content":{"type":"text","text":"` + strings.Repeat(words, 5_000) + `"}}`,
	} {
		status, _ := n.do(bearer, "POST", base+"/messages", []byte(body))
		require.GreaterOrEqual(t, status, 400)
		alice.write(map[string]any{"type": "send", "id": "x", "conversation_id": id, "client_msg_id": "c-1", "content": json.RawMessage(`"` + words + `"`)})
		require.NoError(t, alice.writeRaw(websocket.TextMessage, []byte(body)))
	}
	for _, raw := range badTokens(t) {
		n.do(raw, "GET", base, nil)
		n.do(raw, "GET", "/v1/sync?access_token="+raw, nil)
	}
	n.do(bearer, "GET", "/v1/sync?access_token="+bearer, nil)
	for _, service := range []*proxytest.Proxy{c.redis, c.postgres, c.amqp} {
		service.Cut()
	}
	status, _ := n.do(bearer, "POST", base+"/messages", []byte(`{"client_msg_id":"c-9","content":{"type":"text","text":"`+words+`"}}`))
	require.Equal(t, http.StatusServiceUnavailable, status)
	eventually.True(t, "the failure is logged", func() bool {
		log := n.Output()
		return strings.Contains(log, "WARN") || strings.Contains(log, "ERROR")
	})
	for _, service := range []*proxytest.Proxy{c.redis, c.postgres, c.amqp} {
		service.Mend()
	}
	n.AwaitReady()
	n.Stop()
	log := n.Output()
	require.Contains(t, log, `"DEBUG"`, "debug entries are logged")
	require.Contains(t, log, base, "paths are logged")
	require.Contains(t, log, "a call of the hook failed")
	signature := bearer[strings.LastIndexByte(bearer, '.')+1:]
	for _, forbidden := range []string{hookSecret, password, words, secret, bearer, signature, "Bearer ", "access_token"} {
		require.NotContains(t, log, forbidden)
	}
}
