package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/internal/app"
	"im/internal/auth"
)

func TestTokenDesk(t *testing.T) {
	t.Parallel()
	desk := newTokenDesk(app.Tokens{Secret: testSecret, UserClaim: "uid"}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080})
	good := func() *http.Request {
		r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080/dev/token", strings.NewReader(`{"user":"dave"}`))
		r.RemoteAddr = "127.0.0.1:50000"
		return r
	}
	ask := func(r *http.Request) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		desk.ServeHTTP(w, r)
		return w
	}

	t.Run("gives a token that nodes take", func(t *testing.T) {
		w := ask(good())
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
		"own origin":           func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:8080") },
		"by the name":          func(r *http.Request) { r.Host = "localhost:8080" },
		"by the other version": func(r *http.Request) { r.Host = "[::1]:8080"; r.RemoteAddr = "[::1]:50000" },
	} {
		t.Run("takes "+name, func(t *testing.T) {
			r := good()
			change(r)
			require.Equal(t, http.StatusOK, ask(r).Code)
		})
	}
	for name, change := range map[string]func(*http.Request){
		"another origin":      func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") },
		"another port's page": func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:3000") },
		"a page from a file":  func(r *http.Request) { r.Header.Set("Origin", "null") },
		"a name made to point": func(r *http.Request) {
			r.Host = "evil.example:8080"
			r.Header.Set("Origin", "http://evil.example:8080")
		},
		"another host":    func(r *http.Request) { r.Host = "192.0.2.1:8080" },
		"no host":         func(r *http.Request) { r.Host = "" },
		"another machine": func(r *http.Request) { r.RemoteAddr = "192.0.2.1:50000" },
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			r := good()
			change(r)
			w := ask(r)
			require.Equal(t, http.StatusForbidden, w.Code)
			require.NotContains(t, w.Body.String(), "token\"")
		})
	}
	for _, body := range []string{``, `{}`, `{"user":""}`, `{"user":"a/b"}`, `{"user":"a","server":true}`, `[]`, strings.Repeat(" ", 5000)} {
		r := good()
		r.Body = http.NoBody
		if body != "" {
			r = httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080/dev/token", strings.NewReader(body))
			r.RemoteAddr = "127.0.0.1:50000"
		}
		require.Equal(t, http.StatusBadRequest, ask(r).Code, body)
	}
	r := good()
	r.Method = http.MethodGet
	require.Equal(t, http.StatusNotFound, ask(r).Code)
}
