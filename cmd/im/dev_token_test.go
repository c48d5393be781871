package main

import (
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"im"
	"im/internal/app"
	"im/internal/auth"
	"im/internal/origin"
)

func TestTokenHandler(t *testing.T) {
	t.Parallel()
	origins, err := origin.New(origin.Options{Allowed: []string{"http://localhost:3000"}})
	require.NoError(t, err)
	handler := newTokenHandler(app.Signing{Secret: testSecret, UserClaim: "uid"}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}, origins)
	newRequest := func() *http.Request {
		r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080/dev/token", strings.NewReader(`{"user":"dave"}`))
		r.RemoteAddr = "127.0.0.1:50000"
		return r
	}
	serve := func(r *http.Request) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}

	t.Run("issues a token that nodes accept", func(t *testing.T) {
		w := serve(newRequest())
		require.Equal(t, http.StatusOK, w.Code)
		var answer devTokenAnswer
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		verifier, err := auth.New(auth.Options{Secret: testSecret, UserClaim: "uid"})
		require.NoError(t, err)
		identity, err := verifier.Verify(t.Context(), answer.Token)
		require.NoError(t, err)
		require.EqualValues(t, "dave", identity.User)
		require.False(t, identity.Server)
	})
	for name, change := range map[string]func(*http.Request){
		"own origin":        func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:8080") },
		"allowed origin":    func(r *http.Request) { r.Header.Set("Origin", "http://localhost:3000") },
		"localhost":         func(r *http.Request) { r.Host = "localhost:8080" },
		"the IPv6 loopback": func(r *http.Request) { r.Host = "[::1]:8080"; r.RemoteAddr = "[::1]:50000" },
	} {
		t.Run("accepts "+name, func(t *testing.T) {
			r := newRequest()
			change(r)
			require.Equal(t, http.StatusOK, serve(r).Code)
		})
	}
	for name, change := range map[string]func(*http.Request){
		"another origin":      func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") },
		"another port's page": func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:3000") },
		"a page from a file":  func(r *http.Request) { r.Header.Set("Origin", "null") },
		"a name that resolves to this machine": func(r *http.Request) {
			r.Host = "evil.example:8080"
			r.Header.Set("Origin", "http://evil.example:8080")
		},
		"another host":    func(r *http.Request) { r.Host = "192.0.2.1:8080" },
		"no host":         func(r *http.Request) { r.Host = "" },
		"another machine": func(r *http.Request) { r.RemoteAddr = "192.0.2.1:50000" },
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			r := newRequest()
			change(r)
			w := serve(r)
			require.Equal(t, http.StatusForbidden, w.Code)
			require.Contains(t, w.Body.String(), `"code":"forbidden"`)
			require.NotContains(t, w.Body.String(), "token\"")
		})
	}
	for _, body := range []string{``, `{}`, `{"user":""}`, `{"user":"a/b"}`, `{"user":"a","server":true}`, `[]`, strings.Repeat(" ", 5000)} {
		r := newRequest()
		r.Body = http.NoBody
		if body != "" {
			r = httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080/dev/token", strings.NewReader(body))
			r.RemoteAddr = "127.0.0.1:50000"
		}
		require.Equal(t, http.StatusBadRequest, serve(r).Code, body)
	}
	r := newRequest()
	r.Method = http.MethodGet
	require.Equal(t, http.StatusNotFound, serve(r).Code)
}

// TestTokenHandlerAsDescribed holds the fields of /dev/token against openapi.yaml.
func TestTokenHandlerAsDescribed(t *testing.T) {
	t.Parallel()
	var description struct {
		Paths      map[string]map[string]any
		Components struct {
			Schemas map[string]struct {
				Required   []string
				Properties map[string]any
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(im.OpenAPI(), &description))
	require.Contains(t, description.Paths, devTokenPath)
	require.Equal(t, []string{"post"}, slices.Collect(maps.Keys(description.Paths[devTokenPath])))
	for schema, value := range map[string]any{"DevTokenRequest": devTokenRequest{}, "DevToken": devTokenAnswer{}} {
		text, err := json.Marshal(value)
		require.NoError(t, err)
		var fields map[string]any
		require.NoError(t, json.Unmarshal(text, &fields))
		described := description.Components.Schemas[schema]
		require.ElementsMatch(t, slices.Collect(maps.Keys(fields)), slices.Collect(maps.Keys(described.Properties)), schema)
		require.ElementsMatch(t, slices.Collect(maps.Keys(fields)), described.Required, schema)
	}
}
