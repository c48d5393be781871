package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"im/domain"
	"im/internal/edge"
	"im/internal/tracing"
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
	// Checks are the dependencies that /readyz asks, concurrently.
	Checks []Check
	// Draining reports whether the node is stopping. The default is never.
	Draining func() bool
	// Address returns the address of the node as the client of a request sees it. The
	// default is made of the header Host.
	Address func(*http.Request) *url.URL
	// Timeout bounds a call; the default is DefaultTimeout.
	Timeout time.Duration
	// RateLimiter limits calls; the default is no limit.
	RateLimiter edge.RateLimiter
	// Requests counts the calls; the default is to count nowhere.
	Requests *edge.Requests
	// Tracer begins the spans of calls; the default is none.
	Tracer *tracing.Tracer
	// Logger gets failures; the default is slog.Default.
	Logger *slog.Logger
}

// Server answers the operations of openapi.yaml, and 404 to every other path or
// method.
type Server struct {
	mux       *http.ServeMux
	admission *admission
	health    health
	logger    *slog.Logger
	tracer    *tracing.Tracer
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
	if o.Draining == nil {
		o.Draining = func() bool { return false }
	}
	if o.Address == nil {
		o.Address = hostOf
	}
	if o.RateLimiter == nil {
		o.RateLimiter = edge.Unlimited{}
	}
	if o.Requests == nil {
		o.Requests = edge.NewRequests(nil)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Server{
		mux:       http.NewServeMux(),
		admission: newAdmission(o.Verifier, o.RateLimiter, o.Limits.RequestsInFlight),
		health:    health{o.Checks, o.Draining, o.Logger, &logged{reasons: map[string]string{}}},
		logger:    o.Logger,
		tracer:    o.Tracer,
		timeout:   o.Timeout,
		bodyBytes: bodyLimit(o.Limits),
	}
	h := &handler{Backend: o.Backend, limits: o.Limits, draining: o.Draining, address: o.Address}
	for _, rt := range h.routes() {
		s.mux.HandleFunc(rt.method+" "+rt.pattern, s.serve(rt, o.Requests.Operation("rest", rt.operation)))
	}
	for _, rt := range s.openRoutes(o) {
		s.mux.HandleFunc(http.MethodGet+" "+rt.pattern, rt.handle)
	}
	s.mux.HandleFunc("/", s.notFound) // also for a known path with another method
	return s, nil
}

// hostOf returns the address that the header Host names.
func hostOf(r *http.Request) *url.URL { return &url.URL{Scheme: "http", Host: r.Host, Path: "/"} }

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
	if routed, ok := routable(r); ok {
		s.mux.ServeHTTP(answer, routed)
	} else {
		s.notFound(answer, r)
	}
}

// serve returns the handler of a route.
func (s *Server) serve(rt route, count *edge.Operation) http.HandlerFunc {
	timeout := s.timeout + extraTime[rt.operation]
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != rt.method {
			s.notFound(w, r) // HEAD, which http.ServeMux takes for GET
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		r = r.WithContext(ctx)
		began := time.Now()
		r, err := s.call(rt, w, r, began)
		count.Done(began, err)
		if err != nil {
			s.fail(w, r, err)
		}
	}
}

// call admits a call and runs its operation. It returns the call with its span.
func (s *Server) call(rt route, w http.ResponseWriter, r *http.Request, began time.Time) (*http.Request, error) {
	who, leave, err := s.admission.admit(r, rt.class)
	if err != nil {
		return r, err
	}
	defer leave()
	if s.tracer != nil {
		ctx, span := s.begin(r, rt, who, began)
		r = r.WithContext(ctx)
		failed := error(domain.ErrInternal) // unless the operation returns
		defer func() { endSpan(span, failed) }()
		failed = s.operate(rt, w, r, who)
		return r, failed
	}
	return r, s.operate(rt, w, r, who)
}

func (s *Server) operate(rt route, w http.ResponseWriter, r *http.Request, who caller) error {
	req, err := newRequest(r, who, s.bodyBytes)
	if err != nil {
		return err
	}
	return rt.handle(w, req)
}

// begin begins the span of a call. It continues the trace of a backend. Users do not
// decide what is traced.
func (s *Server) begin(r *http.Request, rt route, who caller, began time.Time) (context.Context, *tracing.Span) {
	ctx := r.Context()
	if who.Backend || who.OnBehalf {
		ctx = tracing.CallerOf(ctx, r.Header)
	}
	ctx, span := s.tracer.Request(ctx, rt.method+" "+rt.pattern, began)
	span.Set(attribute.String("http.request.method", rt.method), attribute.String("http.route", rt.pattern), attribute.String("im.operation", rt.operation))
	return ctx, span
}

func endSpan(span *tracing.Span, err error) {
	if span == nil || err == nil {
		span.End("")
		return
	}
	code := edge.Coded(err).Code
	span.Set(attribute.Int("http.response.status_code", StatusOf(code)))
	span.End(string(code))
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	message := "no such path or method"
	if strings.LastIndex(r.URL.Path, "/v1/") > 0 {
		message += "; if a proxy serves the node below a path, set IM_PUBLIC_URL or let the proxy remove the path"
	}
	s.fail(w, r, domain.ErrNotFound.WithMessage(message))
}
