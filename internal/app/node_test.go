package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"im/test/leaktest"

	"im/domain"
	"im/routing/broker"
	"im/test/eventually"
	"im/test/pgtest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const secret = "a secret of 32 bytes, or of more"

// defaults returns the options of an empty command line.
func defaults(t testing.TB) (o Options) {
	t.Helper()
	var flags struct {
		Services
		Tokens
		Rules
		Edge
	}
	parser, err := kong.New(&flags, Defaults(), kong.DefaultEnvars("UNSET"))
	require.NoError(t, err)
	_, err = parser.Parse(nil)
	require.NoError(t, err)
	logger := slog.New(slog.DiscardHandler)
	return Options{
		Name: "test", Services: flags.Services, Tokens: flags.Tokens, Rules: flags.Rules, Edge: flags.Edge, Logger: logger,
		Broker: broker.NewInProcess(logger), Drain: time.Second,
	}
}

// TestDefaultLimits: the limits of the contract are the defaults of the settings.
func TestDefaultLimits(t *testing.T) {
	require.Equal(t, domain.DefaultLimits(), domain.Limits(defaults(t).Rules.Limits))
}

// testOptions returns options with which a node starts.
func testOptions(t testing.TB) Options {
	t.Helper()
	o := defaults(t)
	o.Services.DatabaseURL = pgtest.New(t)
	if url := os.Getenv("IM_TEST_REDIS_URL"); url != "" {
		o.Services.RedisURL = url
	}
	o.Services.Prefix = "node-" + uuid.NewString()[:8]
	o.Tokens.Secret = secret
	return o
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return listener
}

// TestRun: a node serves until its context ends. Then none of its goroutines is left,
// which TestMain checks.
func TestRun(t *testing.T) {
	n, err := New(t.Context(), testOptions(t))
	require.NoError(t, err)
	defer n.Close()
	listener := listen(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx, listener) }()

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	status := func(path string) int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String()+path, nil)
		require.NoError(t, err)
		response, err := client.Do(request)
		if err != nil {
			return 0
		}
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	eventually.True(t, "the node is ready", func() bool { return status("/readyz") == http.StatusOK })
	for path, want := range map[string]int{
		"/": 200, "/healthz": 200, "/openapi.yaml": 200, "/asyncapi.yaml": 200, "/v1/ws": 400, "/v1/sync": 401, "/v1/nothing": 404, "/nothing": 404, "/dev/token": 404,
	} {
		require.Equal(t, want, status(path), path)
	}
	require.True(t, strings.HasPrefix(string(n.ID()), "test"), "%s", n.ID())
	stop()
	require.NoError(t, <-ended)
	require.Zero(t, status("/healthz"), "the node still listens")
}

// TestTimeouts: no step of a request may keep a connection open without a limit.
func TestTimeouts(t *testing.T) {
	n, err := New(t.Context(), testOptions(t))
	require.NoError(t, err)
	defer n.Close()
	for name, timeout := range map[string]time.Duration{
		"headers": n.http.ReadHeaderTimeout, "bodies": n.http.ReadTimeout, "answers": n.http.WriteTimeout,
	} {
		require.Positive(t, timeout, name)
		require.LessOrEqual(t, timeout, 2*time.Minute, name)
	}
	require.Greater(t, n.http.IdleTimeout, 10*time.Minute, "longer than load balancers keep connections")
	require.Equal(t, 256<<10, n.http.MaxHeaderBytes)
}

// TestRunFails: if a part fails, Run stops the others in order and returns the error.
func TestRunFails(t *testing.T) {
	n, err := New(t.Context(), testOptions(t))
	require.NoError(t, err)
	defer n.Close()
	listener := listen(t)
	require.NoError(t, listener.Close())
	require.ErrorIs(t, n.Run(t.Context(), listener), net.ErrClosed)
}

func TestReach(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	unreachable := errors.New("unreachable")
	t.Run("retries an unreachable service", func(t *testing.T) {
		tries := 0
		require.NoError(t, reach(t.Context(), nil, "IM_X", time.Minute, logger, func(context.Context) error {
			if tries++; tries < 3 {
				return unreachable
			}
			return nil
		}))
		require.Equal(t, 3, tries)
	})
	t.Run("fails after the timeout and names the setting", func(t *testing.T) {
		err := reach(t.Context(), nil, "IM_X", time.Millisecond, logger, func(context.Context) error { return domain.ErrUnavailable.WithCause(unreachable) })
		require.ErrorIs(t, err, unreachable)
		require.True(t, strings.HasPrefix(err.Error(), "IM_X: "), err)
	})
	t.Run("does not retry a final error", func(t *testing.T) {
		tries := 0
		err := reach(t.Context(), nil, "IM_X", time.Minute, logger, func(context.Context) error { tries++; return finalUnless(unreachable, false) })
		require.ErrorIs(t, err, unreachable)
		require.Equal(t, 1, tries)
	})
}

func TestRoutes(t *testing.T) {
	named := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(name)) })
	}
	h := routes{socket: named("socket"), rest: named("rest"), page: named("page"), extra: map[string]http.Handler{"/dev/token": named("extra")}}
	for request, want := range map[string]string{
		"GET /v1/ws": "socket", "POST /v1/ws": "rest", "GET /v1/ws/": "rest", "GET /v1/a//b": "rest", "GET /v1/..%2Fws": "rest",
		"GET /healthz": "rest", "GET /readyz": "rest", "GET /openapi.yaml": "rest", "GET /asyncapi.yaml": "rest",
		"GET /": "page", "GET /style.css": "page", "GET /v1": "page", "POST /dev/token": "extra", "POST /dev/token/": "page",
	} {
		method, path, _ := strings.Cut(request, " ")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		require.Equal(t, want, w.Body.String(), request)
	}
}

// TestLogged: each request is one line at level debug, without its token.
func TestLogged(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	for level, want := range map[string]string{"debug": `status=418`, "info": ""} {
		var log bytes.Buffer
		r := httptest.NewRequest(http.MethodGet, "/v1/sync?access_token=hush", nil)
		r.Header.Set("Authorization", "Bearer hush")
		logged(next, Log{Level: level, Format: "text"}.Logger(&log)).ServeHTTP(httptest.NewRecorder(), r)
		require.Contains(t, log.String(), want)
		require.NotContains(t, log.String(), "hush")
		require.Equal(t, want != "", strings.Contains(log.String(), "path=/v1/sync"))
	}
}

func TestRequestID(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	for given, kept := range map[string]bool{
		"trace-1": true, strings.Repeat("a", 64): true, "": false, strings.Repeat("a", 65): false, "a b": false, "a\"b": false, "é": false,
	} {
		r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
		r.Header.Set("X-Request-Id", given)
		withRequestID(next).ServeHTTP(w, r)
		got := w.Header().Get("X-Request-Id")
		require.Equal(t, kept, got == given, "%q became %q", given, got)
		require.NotEmpty(t, got)
	}
}
