package origin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/edge"
)

// ask sends a request with headers "Name: value" through the CORS of a policy.
func ask(t *testing.T, p *Policy, method string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, "http://chat.example/v1/messages", nil)
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	p.CORS(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		edge.WriteProblem(w, http.StatusNotFound, domain.ErrNotFound)
	})).ServeHTTP(w, r)
	return w.Result()
}

func problemOf(t *testing.T, r *http.Response) edge.Problem {
	t.Helper()
	var p edge.Problem
	require.NoError(t, json.NewDecoder(r.Body).Decode(&p))
	require.Equal(t, "application/problem+json", r.Header.Get("Content-Type"))
	return p
}

const appOrigin = "Origin: https://app.example"

func TestPreflight(t *testing.T) {
	p := policy(t, Options{Allowed: []string{"https://app.example"}})
	const asks = "Access-Control-Request-Method: PATCH"
	allowed := ask(t, p, "OPTIONS", appOrigin, asks)
	require.Equal(t, http.StatusNoContent, allowed.StatusCode)
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "https://app.example", "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
		"Access-Control-Allow-Headers": usualHeaders, "Access-Control-Max-Age": "600",
		"Access-Control-Allow-Credentials": "", "Access-Control-Allow-Private-Network": "",
	} {
		require.Equal(t, want, allowed.Header.Get(name), name)
	}
	require.Contains(t, strings.Join(allowed.Header.Values("Vary"), ", "), "Origin")
	require.Contains(t, strings.Join(allowed.Header.Values("Vary"), ", "), "Access-Control-Request-Headers")

	t.Run("any header", func(t *testing.T) {
		const names = "authorization, baggage, sentry-trace, traceparent, tracestate, x-b3-traceid, x-datadog-trace-id, x-requested-with"
		got := ask(t, p, "OPTIONS", appOrigin, asks, "Access-Control-Request-Headers: "+strings.ReplaceAll(names, " ", ""))
		require.Equal(t, http.StatusNoContent, got.StatusCode)
		require.Equal(t, names, got.Header.Get("Access-Control-Allow-Headers"))
	})
	t.Run("a network that is not public", func(t *testing.T) {
		got := ask(t, p, "OPTIONS", appOrigin, asks, "Access-Control-Request-Private-Network: true")
		require.Equal(t, "true", got.Header.Get("Access-Control-Allow-Private-Network"))
	})
	t.Run("the own origin", func(t *testing.T) {
		got := ask(t, p, "OPTIONS", "Origin: http://chat.example", asks)
		require.Equal(t, http.StatusNoContent, got.StatusCode)
	})
	for name, c := range map[string]struct {
		header []string
		status int
		detail string
	}{
		"another origin":     {[]string{"Origin: https://evil.example", asks}, 403, `the Origin "https://evil.example" differs from the Host "chat.example"`},
		"the origin null":    {[]string{"Origin: null", asks}, 403, "IM_ALLOWED_ORIGINS"},
		"two origins":        {[]string{appOrigin, appOrigin, asks}, 403, "2 headers Origin"},
		"an unknown method":  {[]string{appOrigin, "Access-Control-Request-Method: patch"}, 400, `no path has the method "patch"`},
		"no name of headers": {[]string{appOrigin, asks, "Access-Control-Request-Headers: a b"}, 400, `"a b", which is not the name of a header`},
		"too many headers":   {[]string{appOrigin, asks, "Access-Control-Request-Headers: " + strings.Repeat("a,", 3000)}, 400, "4096 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ask(t, p, "OPTIONS", c.header...)
			require.Equal(t, c.status, got.StatusCode)
			require.Contains(t, problemOf(t, got).Detail, c.detail)
			if c.status == http.StatusForbidden {
				require.Empty(t, got.Header.Get("Access-Control-Allow-Origin"))
			}
			require.Equal(t, "Origin", got.Header.Get("Vary"))
		})
	}
}

// TestPagesReadAnswers: pages of allowed origins read problems, too, and the headers
// that matter; other pages read nothing.
func TestPagesReadAnswers(t *testing.T) {
	p := policy(t, Options{Allowed: []string{"https://app.example"}})
	got := ask(t, p, "GET", appOrigin)
	require.Equal(t, http.StatusNotFound, got.StatusCode)
	require.Equal(t, "https://app.example", got.Header.Get("Access-Control-Allow-Origin"))
	for _, name := range []string{"Retry-After", "Location", "X-Request-Id", "ETag", "WWW-Authenticate"} {
		require.Contains(t, got.Header.Get("Access-Control-Expose-Headers"), name)
	}
	for _, header := range []string{"Origin: https://evil.example", "X-None: 1"} {
		got := ask(t, p, "GET", header)
		require.Equal(t, http.StatusNotFound, got.StatusCode)
		require.Empty(t, got.Header.Get("Access-Control-Allow-Origin"))
		require.Equal(t, "Origin", got.Header.Get("Vary"), "a cache must not give this answer to a page of an allowed origin")
	}
	require.Equal(t, http.StatusNotFound, ask(t, p, "OPTIONS", appOrigin).StatusCode, "no preflight")
}
