package app_test

import (
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"im/internal/app"
)

func TestAnswerWhileStarting(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	get := func(path string) (int, string) {
		response, err := http.Get("http://" + listener.Addr().String() + path)
		require.NoError(t, err)
		defer func() { require.NoError(t, response.Body.Close()) }()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NotEmpty(t, response.Header.Get("X-Request-Id"))
		return response.StatusCode, string(body)
	}
	stop := app.AnswerWhileStarting(listener, nil)
	for path, expected := range map[string]struct {
		status int
		body   string
	}{
		"/healthz":          {http.StatusOK, `{"status":"ok"}`},
		"/readyz":           {http.StatusServiceUnavailable, `"unready"`},
		"/v1/conversations": {http.StatusServiceUnavailable, `"retry":"again"`},
		"/v1/ws":            {http.StatusServiceUnavailable, `"code":"unavailable"`},
	} {
		status, body := get(path)
		require.Equal(t, expected.status, status, path)
		require.Contains(t, body, expected.body, path)
	}
	stop()

	// The same listener then serves the node.
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-Id", "1")
		w.WriteHeader(http.StatusTeapot)
	})}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	status, _ := get("/healthz")
	require.Equal(t, http.StatusTeapot, status)
}
