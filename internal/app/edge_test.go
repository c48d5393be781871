package app

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/edge"
	"im/internal/origin"
)

// TestEdgeSettings: what cannot work is refused at the start, by the name of the setting.
func TestEdgeSettings(t *testing.T) {
	for setting, c := range map[string]struct {
		edge  Edge
		rules Rules
	}{
		"IM_PUBLIC_URL: \"chat.example.com\"":        {edge: Edge{PublicURL: "chat.example.com"}},
		"IM_PUBLIC_URL: \"wss://chat.example.com\"":  {edge: Edge{PublicURL: "wss://chat.example.com"}},
		"IM_PUBLIC_URL: \"https://a.example/?x=1\"":  {edge: Edge{PublicURL: "https://a.example/?x=1"}},
		"IM_PUBLIC_URL: its path":                    {edge: Edge{PublicURL: "https://a.example/a%20b/"}},
		"IM_PUBLIC_URL: \"https://127.1/\" has":      {edge: Edge{PublicURL: "https://127.1/"}},
		"IM_IDLE_TIMEOUT":                            {edge: Edge{IdleTimeout: time.Millisecond}},
		"IM_PROXY_PROTOCOL=on needs IM_TRUSTED_PROX": {edge: Edge{ProxyProtocol: "on"}},
		"IM_TRUSTED_PROXIES":                         {rules: Rules{TrustedProxies: []string{"10.0.0.0/99"}}},
		"IM_ALLOWED_ORIGINS":                         {rules: Rules{AllowedOrigins: []string{"app.example.com"}}},
	} {
		err := c.edge.check(c.rules)
		if err == nil {
			_, err = c.edge.Origins(c.rules, slog.New(slog.DiscardHandler))
		}
		require.ErrorContains(t, err, setting)
	}
	for _, path := range []string{"//a", "/a//b", "/a/../b", "/./a", "/a%2fb", "/ä", "/a//"} {
		require.Error(t, Edge{PublicURL: "https://a.example" + path}.check(Rules{}), path)
	}
	for path, prefix := range map[string]string{"": "", "/": "", "/chat": "/chat", "/chat/": "/chat", "/a/b_c~1.x-y/": "/a/b_c~1.x-y"} {
		e := Edge{PublicURL: "https://a.example" + path}
		require.NoError(t, e.check(Rules{}), path)
		require.Equal(t, prefix, e.prefix())
	}
	require.NoError(t, Edge{ProxyProtocol: "on"}.check(Rules{TrustedProxies: []string{"10.0.0.0/8"}}))
}

// TestWithoutPrefix: requests reach the same handlers whether or not the proxy has
// removed the path of the public URL.
func TestWithoutPrefix(t *testing.T) {
	h := withoutPrefix("/chat", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.URL.Path + " " + r.URL.RawPath + " " + r.URL.RawQuery))
	}))
	for target, want := range map[string]string{
		"/chat/":                    "/  ",
		"/chat/v1/sync?limit=1":     "/v1/sync  limit=1",
		"/v1/sync":                  "/v1/sync  ",
		"/chat/v1/reactions/%2F?a":  "/v1/reactions// /v1/reactions/%2F a",
		"/%63hat/v1/reactions/%2Fx": "/chat/v1/reactions//x /%63hat/v1/reactions/%2Fx ",
		"/chatter":                  "/chatter  ",
		"/chat/chat/":               "/chat/  ",
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
		require.Equal(t, want, w.Body.String(), target)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/chat?user=alice", nil))
	require.Equal(t, http.StatusPermanentRedirect, w.Code)
	require.Equal(t, "/chat/?user=alice", w.Header().Get("Location"))
	require.Equal(t, "/v1/x", func() string {
		w := httptest.NewRecorder()
		withoutPrefix("", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.URL.Path)) })).
			ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/x", nil))
		return w.Body.String()
	}())
}

// TestHeaderLimit: the longest query and the longest token fit, more is a problem.
func TestHeaderLimit(t *testing.T) {
	limit := headerBytes(domain.DefaultLimits())
	require.Equal(t, 128<<10, limit)
	many := domain.DefaultLimits()
	many.PageEvents = 10_000
	require.Greater(t, headerBytes(many), 300<<10, "a page's messages can be named one by one")

	h := withHeaderLimit(limit, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	r := httptest.NewRequest(http.MethodGet, "/v1/users?"+strings.Repeat("user_id="+strings.Repeat("%40", 128)+"&", 100), nil)
	r.Header.Set("Authorization", "Bearer "+strings.Repeat("x", 16<<10))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code)

	r.Header.Set("Cookie", strings.Repeat("x", limit))
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, w.Code)
	var p edge.Problem
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
	require.Equal(t, domain.CodeTooLarge, p.Code)
	require.Contains(t, p.Detail, "at most 131072 are allowed")
}

// TestPublicFiles: pages of all origins may import the client and read the descriptions.
func TestPublicFiles(t *testing.T) {
	origins, err := origin.New(origin.Options{Allowed: []string{"https://app.example"}})
	require.NoError(t, err)
	h := origins.CORS(public(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })))
	for path, want := range map[string]string{
		"/im.js": "*", "/openapi.yaml": "*", "/asyncapi.yaml": "*", "/": "", "/index.html": "", "/page/main.js": "", "/v1/sync": "",
	} {
		r, w := httptest.NewRequest(http.MethodGet, path, nil), httptest.NewRecorder()
		r.Header.Set("Origin", "https://editor.example")
		h.ServeHTTP(w, r)
		require.Equal(t, want, w.Header().Get("Access-Control-Allow-Origin"), path)
	}
}
