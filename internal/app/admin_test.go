package app

import (
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func openAdmins(t *testing.T, addr string, n int) []*Admin {
	t.Helper()
	admins, err := Operation{AdminAddr: addr}.OpenAdmins(t.Context(), n, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	for _, a := range admins {
		t.Cleanup(a.Close)
	}
	return admins
}

// TestAdminAddrs: a set address must be free; without one, a taken port stops no node.
func TestAdminAddrs(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })
	_, err = Operation{AdminAddr: taken.Addr().String()}.OpenAdmins(t.Context(), 1, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "IM_ADMIN_ADDR: ")

	for _, bad := range []string{"9180", "127.0.0.1:nonsense"} {
		_, err = Operation{AdminAddr: bad}.OpenAdmins(t.Context(), 1, slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, "IM_ADMIN_ADDR: ", bad)
	}

	seen := map[string]bool{}
	for range adminPorts + 5 { // more nodes than ports that are tried
		addr := openAdmins(t, "", 1)[0].Addr()
		require.NotEmpty(t, addr)
		require.False(t, seen[addr])
		seen[addr] = true
	}

	a := openAdmins(t, "127.0.0.1:0", 2)
	require.NotEqual(t, a[0].Addr(), a[1].Addr())
	require.Empty(t, openAdmins(t, AdminOff, 2)[1].Addr())
}

// TestAdminAddrsFollowOneAnother: further nodes use the ports after the one that was set.
func TestAdminAddrsFollowOneAnother(t *testing.T) {
	t.Parallel()
	first := openAdmins(t, "127.0.0.1:0", 1)[0]
	_, text, err := net.SplitHostPort(first.Addr())
	require.NoError(t, err)
	port, err := strconv.Atoi(text)
	require.NoError(t, err)
	first.Close()
	admins, err := Operation{AdminAddr: first.Addr()}.OpenAdmins(t.Context(), 3, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Skip("another process has taken the port: ", err)
	}
	last := port - 1
	for _, a := range admins {
		t.Cleanup(a.Close)
		_, text, err := net.SplitHostPort(a.Addr())
		require.NoError(t, err)
		next, err := strconv.Atoi(text)
		require.NoError(t, err)
		require.Greater(t, next, last)
		last = next
	}
}

// TestAdminHandlers: handlers can be added later, and web pages can use none of them.
func TestAdminHandlers(t *testing.T) {
	t.Parallel()
	a := openAdmins(t, "127.0.0.1:0", 1)[0]
	status := func(method, path, host string, headers map[string]string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+a.Addr()+path, http.NoBody)
		require.NoError(t, err)
		if host != "" {
			r.Host = host
		}
		for name, value := range headers {
			r.Header.Set(name, value)
		}
		response, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	require.Equal(t, http.StatusNotFound, status("POST", "/drain", "", nil))
	a.Handle("POST /drain", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	require.Equal(t, http.StatusAccepted, status("POST", "/drain", "", nil))
	require.Equal(t, http.StatusAccepted, status("POST", "/drain", "localhost:9180", nil))
	require.Equal(t, http.StatusOK, status("GET", "/debug/pprof/heap", "", nil))

	require.Equal(t, http.StatusForbidden, status("POST", "/drain", "", map[string]string{"Origin": "https://evil.example"}))
	require.Equal(t, http.StatusForbidden, status("POST", "/drain", "", map[string]string{"Sec-Fetch-Site": "cross-site"}))
	require.Equal(t, http.StatusForbidden, status("GET", "/debug/pprof/heap", "evil.example", nil))
}
