package app

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/attachment"
)

// TestAdminPage: the page and the API that it calls are at the admin address, where the
// API asks for tokens as it does elsewhere. The page is not at the public address.
func TestAdminPage(t *testing.T) {
	o := testOptions(t)
	o.Admin = openAdmins(t, "127.0.0.1:0", 1)[0]
	n := startNode(t, o)
	operator, err := Signing{Secret: secret, UserClaim: "sub"}.Sign("operator", true, time.Hour)
	require.NoError(t, err)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	do := func(method, url string, change func(*http.Request)) (*http.Response, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
		require.NoError(t, err)
		r.Close = true
		if change != nil {
			change(r)
		}
		response, err := client.Do(r)
		require.NoError(t, err)
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response, string(body)
	}
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	admin := "http://" + o.Admin.Addr()

	page, body := do("GET", admin+"/admin/", nil)
	require.Equal(t, http.StatusOK, page.StatusCode)
	require.Contains(t, body, "<title>im admin</title>")
	require.Contains(t, page.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
	require.Equal(t, "DENY", page.Header.Get("X-Frame-Options"))
	require.NotEmpty(t, page.Header.Get("X-Request-Id"))
	redirect, _ := do("GET", admin+"/admin", nil)
	require.Equal(t, http.StatusTemporaryRedirect, redirect.StatusCode)
	require.Equal(t, "admin/", redirect.Header.Get("Location"), "below the path of a proxy, too")

	stats, body := do("GET", admin+"/v1/stats", bearer(operator))
	require.Equal(t, http.StatusOK, stats.StatusCode, body)
	require.Contains(t, body, `"nodes":[{`)
	require.Equal(t, "no-store", stats.Header.Get("Cache-Control"))
	ready, _ := do("GET", admin+"/readyz", nil)
	require.Equal(t, http.StatusOK, ready.StatusCode)
	missing, _ := do("GET", admin+"/v1/stats", nil)
	require.Equal(t, http.StatusUnauthorized, missing.StatusCode)
	refused, body := do("GET", admin+"/v1/stats", bearer(tokenOf(t, "alice")))
	require.Equal(t, http.StatusForbidden, refused.StatusCode)
	require.Contains(t, body, `"request_id":"`)
	socket, _ := do("GET", admin+"/v1/ws", bearer(operator))
	require.Equal(t, http.StatusNotFound, socket.StatusCode, "clients do not connect here")
	file, _ := do("GET", admin+attachment.Path+"x", nil)
	require.Equal(t, http.StatusNotFound, file.StatusCode, "files of users are not at the origin of the token")
	require.Empty(t, file.Header.Get("Content-Security-Policy"), "it is not the handler of files that answers")
	large, _ := do("GET", admin+"/v1/stats?x="+strings.Repeat("x", 600<<10), bearer(operator))
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, large.StatusCode)

	foreign, _ := do("DELETE", admin+"/v1/users/alice/sessions", func(r *http.Request) {
		bearer(operator)(r)
		r.Header.Set("Origin", "https://evil.example")
	})
	require.Equal(t, http.StatusForbidden, foreign.StatusCode, "pages of other origins")
	read, _ := do("GET", admin+"/v1/stats", func(r *http.Request) {
		bearer(operator)(r)
		r.Header.Set("Origin", "https://evil.example")
	})
	require.Empty(t, read.Header.Get("Access-Control-Allow-Origin"), "pages of other origins")
	for _, path := range []string{"/admin/", "/v1/stats"} {
		rebound, _ := do("GET", admin+path, func(r *http.Request) { r.Host = "evil.example:9180" })
		require.Equal(t, http.StatusForbidden, rebound.StatusCode, "names that lead to the loopback address: %s", path)
	}

	for _, path := range []string{"/admin", "/admin/", "/admin/admin/main.js"} {
		public, _ := do("GET", n.url+path, nil)
		require.Equal(t, http.StatusNotFound, public.StatusCode, "where clients connect: %s", path)
	}
}

// TestTimed: a body that does not arrive, and an answer that is not read, end in time.
func TestTimed(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	start := func(read, write time.Duration, request string, h http.HandlerFunc) {
		server := httptest.NewServer(logged(timed(read, write, h), slog.New(slog.DiscardHandler)))
		t.Cleanup(server.Close)
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = io.WriteString(conn, request+"\r\n\r\n")
		require.NoError(t, err)
	}
	start(50*time.Millisecond, time.Hour, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10", func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		ended <- err
	})
	require.ErrorIs(t, <-ended, os.ErrDeadlineExceeded)
	start(time.Hour, 50*time.Millisecond, "GET / HTTP/1.1\r\nHost: x", func(w http.ResponseWriter, _ *http.Request) {
		var err error
		for answer := make([]byte, 1<<20); err == nil; {
			_, err = w.Write(answer)
		}
		ended <- err
	})
	require.ErrorIs(t, <-ended, os.ErrDeadlineExceeded)
}
