package app

import (
	"bufio"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"im"
	"im/domain"
	"im/rest"
	"im/web"
)

// server returns the HTTP server of the node: REST, WebSocket and the web chat.
func (n *Node) server(verifier rest.Verifier, chat *domain.Chat) (*http.Server, error) {
	api, err := rest.New(rest.Options{
		Backend: rest.Backend{
			Commands: chat, Reads: n.store, UserData: n.store, Positions: n.receipts,
			Sessions: n.routing, Endings: n.store, Presence: n.presence, Signals: n.routing,
		},
		Verifier: verifier, RateLimiter: n.limiter, Limits: domain.Limits(n.o.Rules.Limits), AllowedOrigins: n.o.Rules.AllowedOrigins,
		Description: im.OpenAPI(), SocketDescription: im.AsyncAPI(),
		Checks: []rest.Check{
			{Name: "postgresql", Ask: n.store.Ping},
			{Name: "routing", Ask: n.routing.Ready, Spare: true},
		},
		Draining: func() bool { return !n.serving.Load() },
		Logger:   n.o.Logger,
	})
	if err != nil {
		return nil, err
	}
	return &http.Server{
		Handler:           withRequestID(logged(routes{socket: n.gateway, rest: api, page: web.Handler(api), extra: n.o.Extra}, n.o.Logger)),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second, // sockets set their own after the upgrade
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(n.o.Logger.Handler(), slog.LevelDebug),
	}, nil
}

// routes selects the handler by path alone. It is not an http.ServeMux, because
// that redirects some paths for which the contract demands 404.
type routes struct {
	socket, rest, page http.Handler
	extra              map[string]http.Handler // by path; they come first
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
		logger.DebugContext(r.Context(), "request", "id", w.Header().Get(requestIDHeader), "method", r.Method, "path", r.URL.Path,
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
