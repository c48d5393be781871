package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"im/domain"
	"im/internal/edge"
)

// DefaultTimeout is how long a call may take. It is a little less than the 10 s
// in which a client must learn that something is unavailable.
const DefaultTimeout = 9 * time.Second

// Options are the parts of a server. All without a default are required.
type Options struct {
	Backend  Backend
	Verifier Verifier
	Limits   domain.Limits

	// Description is openapi.yaml and SocketDescription is asyncapi.yaml. They are
	// served as they are.
	Description, SocketDescription []byte
	// AllowedOrigins are the origins (scheme://host[:port]) whose pages may call
	// from a browser, in addition to the server's own origin. "*" allows all.
	AllowedOrigins []string
	// Checks are the dependencies that /readyz asks, concurrently.
	Checks []Check
	// Draining reports whether the node is stopping. The default is never.
	Draining func() bool
	// Timeout bounds a call; the default is DefaultTimeout.
	Timeout time.Duration
	// RateLimiter limits calls; the default is no limit.
	RateLimiter edge.RateLimiter
	// Logger gets failures; the default is slog.Default.
	Logger *slog.Logger
}

// Server answers the operations of openapi.yaml, and 404 to every other path or
// method.
type Server struct {
	mux       *http.ServeMux
	admission *admission
	origins   origins
	health    health
	logger    *slog.Logger
	timeout   time.Duration
	bodyBytes int64
}

var _ http.Handler = (*Server)(nil)

// New returns a Server. It starts no goroutine.
func New(o Options) (*Server, error) {
	backend := reflect.ValueOf(o.Backend)
	for i := range backend.NumField() {
		if backend.Field(i).IsNil() {
			return nil, fmt.Errorf("rest: Options.Backend.%s is missing", backend.Type().Field(i).Name)
		}
	}
	if o.Verifier == nil {
		return nil, errors.New("rest: Options.Verifier is missing")
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.RateLimiter == nil {
		o.RateLimiter = edge.Unlimited{}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Server{
		mux:       http.NewServeMux(),
		admission: newAdmission(o.Verifier, o.RateLimiter, o.Limits.RequestsInFlight),
		origins:   newOrigins(o.AllowedOrigins),
		health:    health{checks: o.Checks, draining: o.Draining, logger: o.Logger},
		logger:    o.Logger,
		timeout:   o.Timeout,
		bodyBytes: bodyLimit(o.Limits),
	}
	h := &handler{Backend: o.Backend, limits: o.Limits}
	for _, rt := range h.routes() {
		s.mux.HandleFunc(rt.method+" "+rt.pattern, s.serve(rt))
	}
	for _, rt := range s.openRoutes(o) {
		s.mux.HandleFunc(http.MethodGet+" "+rt.pattern, rt.handle)
	}
	s.mux.HandleFunc("/", s.notFound) // also for a known path with another method
	return s, nil
}

// bodyLimit returns how many bytes the largest valid body has, with some room: a
// message, or a list of members.
func bodyLimit(l domain.Limits) int64 {
	const member = 132 // the longest user id, its quotes, a comma and a space
	return int64(max(l.FrameBytes, l.ContentBytes) + l.MetadataBytes + l.MembersPerCall*member)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := &response{ResponseWriter: w}
	defer s.recover(answer, r)
	answer.Header().Set("Cache-Control", "no-store")
	answer.Header().Set("X-Content-Type-Options", "nosniff")
	answer.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	if s.origins.allowPages(answer, r) {
		return
	}
	if routed, ok := routable(r); ok {
		s.mux.ServeHTTP(answer, routed)
	} else {
		s.notFound(answer, r)
	}
}

// serve returns the handler of a route.
func (s *Server) serve(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != rt.method {
			s.notFound(w, r) // HEAD, which http.ServeMux takes for GET
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), s.timeout)
		defer cancel()
		r = r.WithContext(ctx)
		if err := s.call(rt, w, r); err != nil {
			s.fail(w, r, err)
		}
	}
}

// call admits a call and runs its operation.
func (s *Server) call(rt route, w http.ResponseWriter, r *http.Request) error {
	who, leave, err := s.admission.admit(r, rt.class)
	if err != nil {
		return err
	}
	defer leave()
	req, err := newRequest(r, who, s.bodyBytes)
	if err != nil {
		return err
	}
	return rt.handle(w, req)
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, domain.ErrNotFound.WithMessage("no such path or method"))
}
