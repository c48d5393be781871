package doctor_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"im/internal/app"
	"im/tools/doctor"
)

func TestKeySets(t *testing.T) {
	t.Parallel()
	answer := `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			_, _ = w.Write([]byte(answer))
		case "/empty":
			_, _ = w.Write([]byte(`{"keys":[]}`))
		default:
			http.NotFound(w, r)
		}
	}))
	defer keys.Close()
	for path, want := range map[string]doctor.Status{"/good": doctor.OK, "/empty": doctor.Failure, "/none": doctor.Failure} {
		o := settings(t, "postgres://im@127.0.0.1:1/none")
		o.Node.Tokens.JWKSURLs = []string{keys.URL + path}
		requireStatus(t, doctor.Run(t.Context(), o), want, "tokens", "JWK Set of 127.0.0.1")
	}
}

// node answers as a node whose heartbeat is 50 ms, behind a proxy that behaves by its name.
func node(t *testing.T, proxy string) *httptest.Server {
	t.Helper()
	upgrader := websocket.Upgrader{Subprotocols: []string{"im.v1"}, CheckOrigin: func(*http.Request) bool { return proxy != "other origin" }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			if proxy == "other program" {
				_, _ = w.Write([]byte("<html>"))
				return
			}
			_, _ = w.Write([]byte(`{"status":"ready","checks":{}}`))
			return
		}
		if proxy == "no upgrades" {
			http.Error(w, "", http.StatusBadGateway)
			return
		}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		for {
			var frame struct{ Type string }
			_, text, err := conn.ReadMessage()
			if err != nil || json.Unmarshal(text, &frame) != nil {
				return
			}
			switch {
			case frame.Type == "hello" && proxy == "bad token":
				_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4400, "unauthenticated"), farFuture)
				return
			case frame.Type == "hello":
				_ = conn.WriteJSON(map[string]any{"type": "welcome", "heartbeat_ms": 50})
				if proxy == "cuts idle connections" {
					return
				}
			case frame.Type == "ping":
				_ = conn.WriteJSON(map[string]any{"type": "pong"})
			}
		}
	}))
	t.Cleanup(server.Close)
	return server
}

var farFuture = time.Now().Add(time.Hour)

func TestEdge(t *testing.T) {
	t.Parallel()
	for proxy, says := range map[string]string{
		"good": "lived for 2 heartbeats", "no upgrades": "status 502", "other origin": "origin", "bad token": "4400", "cuts idle connections": "ended after",
	} {
		o := settings(t, "postgres://im@127.0.0.1:1/none")
		o.Heartbeats, o.URL = 2, node(t, proxy).URL
		want := doctor.Failure
		if proxy == "good" {
			want = doctor.OK
		}
		r := doctor.Run(t.Context(), o)
		requireStatus(t, r, doctor.OK, "edge", "public address")
		requireStatus(t, r, want, "edge", "WebSocket")
		require.Contains(t, found(t, r, "edge", "WebSocket").Saw, says)
	}
	for _, url := range []string{node(t, "other program").URL, "http://127.0.0.1:1", "chat.example.com"} {
		o := settings(t, "postgres://im@127.0.0.1:1/none")
		o.URL = url
		requireStatus(t, doctor.Run(t.Context(), o), doctor.Failure, "edge", "public address")
	}
	o := settings(t, "postgres://im@127.0.0.1:1/none")
	o.Node.Edge = app.Edge{PublicURL: node(t, "good").URL}
	requireStatus(t, doctor.Run(t.Context(), o), doctor.Warning, "edge", "proxies")
	o.Node.Rules.TrustedProxies = []string{"10.0.0.0/8"}
	requireStatus(t, doctor.Run(t.Context(), o), doctor.OK, "edge", "proxies")
}
