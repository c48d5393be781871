package app

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"im"
	"im/attachment"
	"im/domain"
	"im/internal/auth"
	"im/internal/edge"
	"im/internal/origin"
	"im/rest"
	"im/store/postgres"
	"im/web"
	"im/web/reference"
)

// server returns the HTTP server of the node: REST, WebSocket and the web chat.
func (n *Node) server(verifier rest.Verifier, chat *domain.Chat, requests *edge.Requests) (*http.Server, error) {
	limits := domain.Limits(n.o.Rules.Limits)
	api, err := rest.New(rest.Options{
		Backend: rest.Backend{
			Commands: chat, Reads: postgres.History{Store: n.store}, UserData: n.store, Positions: n.receipts,
			Sessions: n.routing, Endings: n.store, Reports: n.store, Webhooks: webhooks{n.store, n.webhooks}, Attachments: n.attachments, Push: n.push, Presence: n.presence, Signals: n.routing,
		},
		Verifier: verifier, RateLimiter: n.limiter, Limits: limits,
		Description: im.OpenAPI(), SocketDescription: im.AsyncAPI(),
		Checks:   n.checks(),
		Draining: func() bool { return !n.serving.Load() },
		Address:  n.address,
		Requests: requests,
		Tracer:   n.tracer,
		Logger:   n.o.Logger,
	})
	if err != nil {
		return nil, err
	}
	headers := headerBytes(limits)
	// readable lets pages of allowed origins read the answers of a handler, also that
	// the headers are too large.
	readable := func(h http.Handler) http.Handler { return n.origins.CORS(withHeaderLimit(headers, public(h))) }
	extra := make(map[string]http.Handler, len(n.o.Extra))
	for path, h := range n.o.Extra {
		extra[path] = readable(h)
	}
	files := n.files(headers)
	if n.o.Operation.MetricsPublic {
		extra["/metrics"] = n.metricsHandler()
	}
	if n.o.Admin != nil {
		n.addAdminPage(withHeaderLimit(headers, api))
	}
	handler := routes{
		socket: upgrades{socket: withHeaderLimit(headers, n.gateway), other: readable(n.gateway)},
		rest:   readable(api), page: readable(web.Handler(reference.Handler(im.OpenAPI(), im.AsyncAPI(), api), n.attachments.Origins()...)), extra: extra, files: files,
	}
	return &http.Server{
		Handler:           withRequestID(logged(withoutPrefix(n.o.Edge.prefix(), handler), n.o.Logger)),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       callReadTimeout, // sockets set their own after the upgrade
		WriteTimeout:      callWriteTimeout,
		IdleTimeout:       cmp.Or(n.o.Edge.IdleTimeout, DefaultIdleTimeout),
		MaxHeaderBytes:    2 * headers, // beyond that, the answer of net/http is only text
		ErrorLog:          slog.NewLogLogger(n.o.Logger.Handler(), slog.LevelDebug),
	}, nil
}

// upgrades passes WebSocket handshakes to one handler and other requests, which it can
// only refuse, to another one. CORS is no matter of handshakes.
type upgrades struct{ socket, other http.Handler }

// ServeHTTP implements http.Handler.
func (h upgrades) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "" {
		h.socket.ServeHTTP(w, r)
		return
	}
	h.other.ServeHTTP(w, r)
}

// public lets every page read the descriptions and the JavaScript client: they are the
// same for all, and apps of other origins import them.
func public(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path := r.URL.Path; path == "/openapi.yaml" || path == "/asyncapi.yaml" || path == "/im.js" {
			origin.AllowAll(w.Header())
		}
		next.ServeHTTP(w, r)
	})
}

// headerBytes returns how many bytes the request line and the headers of a request may
// have: the longest query of openapi.yaml, the longest token, and room for what browsers
// and proxies add.
func headerBytes(l domain.Limits) int {
	const (
		users   = 100 * (len("user_id=") + 3*128 + len("&")) // every character escaped
		seq     = len("seq=9223372036854775807&")
		others  = 64 << 10
		minimum = 128 << 10
	)
	return max(minimum, max(users, l.PageEvents*seq)+auth.MaxToken+others)
}

// withHeaderLimit refuses requests whose request line and headers are too large, with
// a problem document.
func withHeaderLimit(limit int, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size := len(r.Method) + len(r.RequestURI) + len(r.Host)
		for name, values := range r.Header {
			for _, value := range values {
				size += len(name) + len(value) + len(": \r\n")
			}
		}
		if size > limit {
			w.Header().Set("Cache-Control", "no-store")
			edge.WriteProblem(w, http.StatusRequestHeaderFieldsTooLarge, domain.ErrTooLarge.WithMessage(
				fmt.Sprintf("the request line and the headers have %d bytes; at most %d are allowed", size, limit)))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// withoutPrefix removes the path of the public URL from requests that still have it. The
// page refers to its files relatively, so it has to be loaded with a slash at the end.
func withoutPrefix(prefix string, next http.Handler) http.Handler {
	if prefix == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, within := strings.CutPrefix(r.URL.Path, prefix)
		raw, rawWithin := strings.CutPrefix(r.URL.RawPath, prefix)
		switch {
		case within && path == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
			target := url.URL{Path: prefix + "/", RawQuery: r.URL.RawQuery}
			w.Header().Set("Location", target.String())
			w.WriteHeader(http.StatusPermanentRedirect)
		case within && strings.HasPrefix(path, "/") && (r.URL.RawPath == "" || rawWithin):
			inner := *r
			inner.URL = new(url.URL)
			*inner.URL = *r.URL
			inner.URL.Path, inner.URL.RawPath = path, raw
			next.ServeHTTP(w, &inner)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// checks are the dependencies that /readyz asks.
func (n *Node) checks() []rest.Check {
	checks := []rest.Check{
		{Name: "postgresql", Ask: n.store.Ping},
		{Name: "redis", Ask: func(context.Context) error { return n.routing.RedisReady() }, Spare: true},
	}
	if n.amqp != nil {
		checks = append(checks, rest.Check{Name: "rabbitmq", Ask: func(context.Context) error { return n.routing.BrokerReady() }, Spare: true})
	}
	return checks
}

// routes selects the handler by path alone. It is not an http.ServeMux, because
// that redirects some paths for which the contract demands 404.
type routes struct {
	socket, rest, page, files http.Handler
	extra                     map[string]http.Handler // by path; they come first
}

func (h routes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch extra := h.extra[path]; {
	case extra != nil:
		extra.ServeHTTP(w, r)
	case path == "/v1/ws" && r.Method == http.MethodGet:
		h.socket.ServeHTTP(w, r)
	case strings.HasPrefix(path, "/v1/"), path == "/healthz", path == "/readyz", path == "/openapi.yaml", path == "/asyncapi.yaml":
		h.rest.ServeHTTP(w, r)
	case strings.HasPrefix(path, attachment.Path):
		h.files.ServeHTTP(w, r)
	default:
		h.page.ServeHTTP(w, r)
	}
}

// logged logs each request at level debug. It leaves out the query, which may
// contain a token. A WebSocket is logged when its handshake is done.
func logged(next http.Handler, logger *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !logger.Enabled(r.Context(), slog.LevelDebug) {
			next.ServeHTTP(w, r)
			return
		}
		began := time.Now()
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorder, r)
		logger.DebugContext(r.Context(), "request", "method", r.Method, "path", r.URL.Path,
			"status", recorder.status, "bytes", recorder.bytes, "took", time.Since(began))
	})
}

// statusRecorder records the status and the size of an answer, for the log.
type statusRecorder struct {
	http.ResponseWriter
	status, bytes int
}

// WriteHeader implements http.ResponseWriter.
func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *statusRecorder) Write(p []byte) (int, error) {
	n, err := r.ResponseWriter.Write(p)
	r.bytes += n
	return n, err
}

// Hijack implements http.Hijacker, for WebSockets.
func (r *statusRecorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	r.status = http.StatusSwitchingProtocols
	return http.NewResponseController(r.ResponseWriter).Hijack()
}

// Unwrap lets http.ResponseController reach the writer below.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
