package rest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"im/domain"
	"im/internal/edge"
	"im/test/eventually"
)

func TestErrorsHaveTheirStatus(t *testing.T) {
	for code, status := range map[domain.Code]int{
		domain.CodeUnauthenticated: 401, domain.CodeTokenExpired: 401, domain.CodeForbidden: 403, domain.CodeBlocked: 403,
		domain.CodeRejected: 403, domain.CodeNotFound: 404, domain.CodeConflict: 409, domain.CodeIdempotencyConflict: 409,
		domain.CodeLimitExceeded: 409, domain.CodeCursorInvalid: 410, domain.CodeTooLarge: 413, domain.CodeInvalid: 400,
		domain.CodeRateLimited: 429, domain.CodeUnavailable: 503, domain.CodeInternal: 500,
	} {
		s := newTestServer(t)
		s.fail = &domain.Error{Code: code, Message: "m"}
		s.call(t, "alice", "GET", "/v1/conversations", "").want(t, status).refused(t, code, "")
	}
}

func TestErrorsSplitAnswerAndLog(t *testing.T) {
	for name, c := range map[string]struct {
		err        error
		body       string
		retryAfter string
		logged     string
	}{
		"unavailable": {
			domain.ErrUnavailable.WithCause(errors.New("secret cause")).WithRetryAfter(1500 * time.Millisecond),
			`"code":"unavailable","retry":"again","retry_after_ms":1500`, "2", "secret cause",
		},
		"unavailable, no delay known": {domain.ErrUnavailable, `"code":"unavailable","retry":"again"}`, "", "unavailable"},
		"rate limited":                {domain.ErrRateLimited.WithRetryAfter(time.Second), `"code":"rate_limited","retry":"after","retry_after_ms":1000`, "1", ""},
		"fields":                      {domain.Invalid("/a", "b"), `"status":400,"detail":"the request is not valid","code":"invalid","retry":"never","fields":{"/a":"b"}`, "", ""},
		"unknown error":               {errors.New("secret cause"), `"detail":"internal error","code":"internal","retry":"again"}`, "", "secret cause"},
		"timeout":                     {context.DeadlineExceeded, `"code":"unavailable"`, "", "deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			s := newTestServer(t, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			s.fail = c.err
			got := s.call(t, "alice", "GET", "/v1/conversations?cursor=private", "")
			if !strings.Contains(string(got.body), c.body) || strings.Contains(string(got.body), "secret") {
				t.Errorf("body %s, want %s", got.body, c.body)
			}
			if h := got.Header.Get("Retry-After"); h != c.retryAfter {
				t.Errorf("Retry-After %q, want %q", h, c.retryAfter)
			}
			if !strings.Contains(log.String(), c.logged) || (c.logged == "") != (log.Len() == 0) || strings.Contains(log.String(), "private") {
				t.Errorf("log %q, want %q", log.String(), c.logged)
			}
		})
	}
}

func TestPanicIsAnsweredAndLogged(t *testing.T) {
	var log bytes.Buffer
	s := newTestServer(t, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	s.call(t, "panics", "GET", "/v1/conversations", "").refused(t, domain.CodeInternal, "")
	if !strings.Contains(log.String(), "panic=verifier") {
		t.Errorf("log %q", log.String())
	}
}

func TestI9RequestsInFlightAreBoundedPerUser(t *testing.T) {
	s := newTestServer(t, func(o *Options) { o.Limits.RequestsInFlight = 2 })
	path := "/v1/conversations/" + s.group(t).String()
	s.hold = make(chan struct{})
	var calls sync.WaitGroup
	for range 2 {
		calls.Go(func() {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			req.Header.Set("Authorization", "Bearer alice")
			rec := httptest.NewRecorder()
			s.server.ServeHTTP(rec, req)
			if rec.Code != http.StatusOK {
				t.Errorf("a call within the bound: %d", rec.Code)
			}
		})
	}
	eventually.True(t, "both calls are in flight", func() bool { return s.waiting.Load() == 2 })
	got := s.call(t, "alice", "GET", path, "")
	got.refused(t, domain.CodeRateLimited, "")
	if got.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", got.Header.Get("Retry-After"))
	}
	s.call(t, "!shop", "GET", path, "", "X-IM-User: alice").refused(t, domain.CodeRateLimited, "")
	s.call(t, "bob", "GET", "/v1/conversations", "").want(t, 200)
	close(s.hold)
	calls.Wait()
	s.call(t, "alice", "GET", path, "").want(t, 200)
	if left := s.server.admission.inFlight; len(left) != 0 {
		t.Errorf("still in flight: %v", left)
	}
}

// silentCommands never answer.
type silentCommands struct{ Commands }

func (silentCommands) Send(context.Context, domain.Actor, domain.Post, func(domain.Sent, error)) {}

func TestTimeoutAnswersUnavailable(t *testing.T) {
	s := newTestServer(t, func(o *Options) { o.Timeout = 20 * time.Millisecond })
	id := s.group(t)
	s.hold = make(chan struct{})
	s.call(t, "alice", "GET", "/v1/conversations/"+id.String(), "").refused(t, domain.CodeUnavailable, "")
	h := &handler{Backend: Backend{Commands: silentCommands{}}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := h.commit(ctx, domain.Actor{}, domain.Post{}); !errors.Is(err, domain.ErrUnavailable) {
		t.Errorf("a backend that does not answer: %v", err)
	}
}

func TestReadiness(t *testing.T) {
	var draining bool
	var database, cache error
	s := newTestServer(t, func(o *Options) {
		o.Draining = func() bool { return draining }
		o.Checks = []Check{
			{Name: "postgres", Ask: func(context.Context) error { return database }},
			{Name: "redis", Ask: func(context.Context) error { return cache }, Spare: true},
		}
	})
	check := func(status int, want string) {
		t.Helper()
		if got := s.call(t, "", "GET", "/readyz", "").want(t, status); string(got.body) != want {
			t.Errorf("got %s, want %s", got.body, want)
		}
	}
	check(200, `{"status":"ready","checks":{"postgres":"ok","redis":"ok"}}`)
	cache = errors.New("dial redis://:password@host")
	check(200, `{"status":"degraded","checks":{"postgres":"ok","redis":"failed"}}`)
	cache = domain.ErrUnavailable.WithCause(cache)
	check(200, `{"status":"degraded","checks":{"postgres":"ok","redis":"failed"}}`)
	cache = domain.ErrUnavailable.WithMessage("Redis is full").WithCause(cache)
	check(200, `{"status":"degraded","checks":{"postgres":"ok","redis":"failed"},"reasons":{"redis":"Redis is full"}}`)
	cache = errors.New("dial redis://:password@host")
	database = errors.New("dial postgres://user:password@host")
	check(503, `{"status":"unready","checks":{"postgres":"failed","redis":"failed"}}`)
	draining, database, cache = true, nil, nil
	check(503, `{"status":"draining","checks":{"postgres":"ok","redis":"ok"}}`)
	s.call(t, "", "GET", "/healthz", "").want(t, 200)
}

func TestNewRefusesMissingParts(t *testing.T) {
	if _, err := New(Options{Verifier: fakeVerifier{}}); err == nil {
		t.Error("New accepted a backend with missing parts")
	}
}

// TestOverTheWire makes calls that need real connections.
func TestOverTheWire(t *testing.T) {
	s := newTestServer(t)
	base := "/v1/conversations/" + s.group(t).String()
	server := httptest.NewServer(s.server)
	defer server.Close()
	client := server.Client()
	defer client.CloseIdleConnections()
	post := func(body io.Reader) (int, domain.Code) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+base+"/messages", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer alice")
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var p edge.Problem
		_ = json.NewDecoder(resp.Body).Decode(&p)
		return resp.StatusCode, p.Code
	}
	const message = `{"client_msg_id":"c","content":{"type":"text","text":"Hi"}}`
	for name, c := range map[string]struct {
		body   io.Reader
		status int
	}{
		"10 MB":                   {strings.NewReader(strings.Repeat(" ", 10<<20)), 413},
		"10 MB of unknown length": {io.MultiReader(strings.NewReader(strings.Repeat(" ", 10<<20))), 413},
		"a good one in chunks":    {io.MultiReader(strings.NewReader(message)), 201},
		"nothing in chunks":       {io.MultiReader(strings.NewReader("")), 400},
	} {
		if status, code := post(c.body); status != c.status {
			t.Errorf("%s: %d %s, want %d", name, status, code, c.status)
		}
	}
}

// TestTooLargeReachesClientThatSendsFirst: a client that sends its whole body
// before it reads gets the answer.
func TestTooLargeReachesClientThatSendsFirst(t *testing.T) {
	s := newTestServer(t)
	server := httptest.NewServer(s.server)
	defer server.Close()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const size = 10 << 20
	head := "POST /v1/messages HTTP/1.1\r\nHost: im\r\nAuthorization: Bearer alice\r\n" +
		"Content-Type: application/json\r\nContent-Length: " + itoa(size) + "\r\n\r\n"
	if _, err := io.WriteString(conn, head+strings.Repeat(" ", size)); err != nil {
		t.Fatalf("the server stopped listening: %v", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// TestHeaders: no answer may be sniffed, cached or shown in a frame.
func TestHeaders(t *testing.T) {
	s := newTestServer(t)
	for _, path := range []string{"/v1/sync", "/v1/nothing", "/healthz", "/openapi.yaml"} {
		h := s.call(t, "alice", "GET", path, "").Header
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
	}
}
