package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"im/domain"
	"im/rest/api"
)

// DefaultTimeout is how long a call may take: a little less than the 10 s in
// which a client has to hear that something is unavailable.
const DefaultTimeout = 9 * time.Second

// Options are what a server is made of. All but those with a default are required.
type Options struct {
	Verifier      Verifier
	Sender        Sender
	Editor        Editor
	Moderator     Moderator
	Membership    Membership
	Conversations Conversations
	History       History
	Positions     Positions
	Signaller     Signaller
	Limits        domain.Limits
	Profiles      Profiles
	Preferences   Preferences
	Live          Live
	Endings       Endings
	Blocks        Blocks
	Counts        Counts
	Presence      Presence
	Receipts      Receipts
	Traces        Traces
	Searcher      Searcher

	// Description is openapi.yaml, SocketDescription asyncapi.yaml, served as they are.
	Description, SocketDescription []byte
	// AllowedOrigins are the origins (scheme://host[:port]) whose pages may call
	// from a browser, beside the server's own; "*" allows all.
	AllowedOrigins []string
	// Checks are asked by /readyz, all at once.
	Checks []Check
	// Draining tells whether the node is going away; never if nil.
	Draining func() bool
	// Timeout bounds a call; DefaultTimeout if zero.
	Timeout time.Duration
	// Pace limits calls; nothing does if nil.
	Pace Pace
	// Logger is told of failures; slog.Default if nil.
	Logger *slog.Logger
}

// Server answers /v1/…, /healthz, /readyz, /openapi.yaml and /asyncapi.yaml, and
// 404 to all else.
type Server struct {
	operations   *api.Server
	gatekeeper   *gatekeeper
	pace         Pace
	descriptions map[string][]byte // by path
	origins      origins
	health       health
	problems     problems
	timeout      time.Duration
	bodyBytes    int64
}

var _ http.Handler = (*Server)(nil)

// New returns a Server. It starts nothing.
func New(o Options) (*Server, error) {
	if o.Verifier == nil || o.Sender == nil || o.Editor == nil || o.Moderator == nil || o.Membership == nil ||
		o.Conversations == nil || o.History == nil || o.Positions == nil || o.Signaller == nil ||
		o.Profiles == nil || o.Preferences == nil || o.Live == nil || o.Endings == nil ||
		o.Blocks == nil || o.Counts == nil || o.Presence == nil || o.Receipts == nil || o.Traces == nil ||
		o.Searcher == nil {
		return nil, errors.New("rest: a part of Options is missing")
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Pace == nil {
		o.Pace = unlimited{}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Server{
		descriptions: map[string][]byte{"/openapi.yaml": o.Description, "/asyncapi.yaml": o.SocketDescription},
		origins:      newOrigins(o.AllowedOrigins),
		health:       health{checks: o.Checks, draining: o.Draining, logger: o.Logger},
		gatekeeper:   newGatekeeper(o.Verifier, o.Pace, o.Limits.RequestsInFlight),
		pace:         o.Pace,
		problems:     problems{logger: o.Logger},
		timeout:      o.Timeout,
		bodyBytes:    bodyLimit(o.Limits),
	}
	h := &handler{
		sender: o.Sender, editor: o.Editor, moderator: o.Moderator, membership: o.Membership, conversations: o.Conversations,
		history: o.History, positions: o.Positions, signaller: o.Signaller, limits: o.Limits,
		profiles: o.Profiles, preferences: o.Preferences, live: o.Live, endings: o.Endings, blocks: o.Blocks, counts: o.Counts,
		presence: o.Presence, receipts: o.Receipts, traces: o.Traces, searcher: o.Searcher,
	}
	operations, err := api.NewServer(h, h, s.gatekeeper,
		api.WithNotFound(s.notFound),
		api.WithMethodNotAllowed(func(w http.ResponseWriter, r *http.Request, _ string) { s.notFound(w, r) }),
		api.WithErrorHandler(s.problems.handle),
		api.WithMiddleware(strictQuery),
	)
	s.operations = operations
	return s, err
}

// bodyLimit is how many bytes the largest good body has, with room to spare:
// a message, or a list of members.
func bodyLimit(l domain.Limits) int64 {
	const member = 132 // the longest user id, quotes, comma and a space
	return int64(max(l.FrameBytes, l.ContentBytes) + l.MetadataBytes + l.MembersPerCall*member)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := &answer{ResponseWriter: w}
	defer s.recover(answer, r)
	answer.Header().Set("Cache-Control", "no-store")
	answer.Header().Set("X-Content-Type-Options", "nosniff")
	answer.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	if s.origins.answer(answer, r) {
		return
	}
	reading := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/v1/"):
		s.call(answer, r)
	case !reading:
		s.notFound(answer, r)
	case path == "/healthz":
		s.health.live(answer)
	case path == "/readyz":
		s.health.ready(answer, r)
	case s.descriptions[path] != nil:
		answer.Header().Set("Content-Type", "application/yaml")
		_, _ = answer.Write(s.descriptions[path]) // a reader who went away needs no answer
	default:
		s.notFound(answer, r)
	}
}

// call hands a request to the generated server, within its time and size.
func (s *Server) call(w http.ResponseWriter, r *http.Request) {
	if path := r.URL.EscapedPath(); strings.HasSuffix(path, "/") || strings.Contains(path, "//") {
		s.notFound(w, r) // the generated router takes an empty segment for a parameter
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.timeout)
	defer cancel()
	c := &call{onBehalfOf: r.Header.Values("X-IM-User"), method: r.Method, address: s.pace.Address(r)}
	defer c.end()
	r = r.WithContext(context.WithValue(ctx, callKey{}, c))
	r.Body = &strictBody{source: r.Body, limit: s.bodyBytes, announced: r.ContentLength}
	s.operations.ServeHTTP(w, r)
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	s.problems.handle(r.Context(), w, r, domain.ErrNotFound.WithMessage("no such path or method"))
}

// recover answers for a handler that panicked.
func (s *Server) recover(w *answer, r *http.Request) {
	switch cause := recover(); cause {
	case nil:
	case http.ErrAbortHandler:
		panic(cause)
	default:
		s.problems.panicked(w, r, cause)
	}
}
