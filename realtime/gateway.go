package realtime

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"im/domain"
)

// Authenticator judges tokens by themselves: whether one has been revoked, the hub asks.
type Authenticator interface {
	// Verify returns whose token raw is. It fails with ErrTokenExpired,
	// ErrUnauthenticated, or ErrUnavailable if that cannot be told now.
	Verify(ctx context.Context, raw string) (domain.Identity, error)
}

// Chat posts messages.
type Chat interface {
	// Send calls done exactly once; done does not block. What one goroutine
	// sends to one conversation is committed in that order.
	Send(ctx context.Context, a domain.Actor, p domain.Post, done func(domain.Sent, error))
}

// Reader answers what clients ask of the log, and moves what they have read.
type Reader interface {
	Sync(ctx context.Context, q domain.SyncQuery) (domain.SyncPage, error)
	Events(ctx context.Context, a domain.Actor, id domain.ConversationID, r domain.Range) (domain.EventPage, error)
	MarkRead(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) (domain.ReadState, error)
	// Acknowledge stores how far devices have come. Positions in conversations
	// that the user is not in are ignored.
	Acknowledge(ctx context.Context, acks []domain.Ack) error
}

// Registry is the map of sessions of the whole cluster.
type Registry interface {
	// ID is the node as the registry knows it at present.
	ID() domain.NodeID
	// Register enters a session, and ends those that it replaces. It fails with
	// ErrConflict if there is a newer one, with ErrLimitExceeded if the user has
	// too many.
	Register(ctx context.Context, s domain.SessionEntry, single bool) error
	Unregister(ctx context.Context, s domain.SessionEntry) error
}

// Signaller tells sessions, wherever they are.
type Signaller interface {
	// Signal does not block.
	Signal(sig domain.Signal)
}

// GatewayOptions are the parts of a gateway. Zero values of the numbers are
// replaced by the defaults that are named beside them.
type GatewayOptions struct {
	Hub           *Hub
	Authenticator Authenticator
	Chat          Chat
	Reader        Reader
	Registry      Registry
	Signaller     Signaller
	SignalScopes  SignalScopes
	Presence      *Presence
	Pace          Pace // none if nil
	Logger        *slog.Logger

	Limits domain.Limits // the contract's
	// AllowedOrigins are those (https://app.example.com) beside the own host.
	AllowedOrigins []string
	// Single: the registry is told that a newer session of a user replaces all
	// others. The hub has to be told, too.
	Single bool
	// MaxSockets is how many the node takes; 0 is no end.
	MaxSockets int

	Heartbeat  time.Duration // between pings: 25 s
	Hello      time.Duration // for a socket to become a session: 5 s
	Stall      time.Duration // for a peer that takes no byte: 30 s
	Request    time.Duration // for a request to be answered: 10 s
	Leeway     time.Duration // after the token's end: 30 s
	Closing    time.Duration // for the peer to answer the close frame: 2 s
	Drain      time.Duration // over which the reconnects of a drain are spread: 10 s
	AckDelay   time.Duration // between writings of acknowledgements: 1 s
	Crowd      time.Duration // for a hello to wait until it is its turn: 10 s
	Joins      int           // hellos that become sessions at once: 16
	QueueBytes int           // that wait for one socket: 1 MiB
}

// Gateway serves GET /v1/ws. It is an http.Handler.
type Gateway struct {
	o         GatewayOptions
	upgrader  *upgrader
	acks      acks
	typing    *typing
	sightings *sightings
	rooms     rooms
	joins     joins

	mu       sync.Mutex
	sockets  map[*socket]struct{}
	places   int // taken by handshakes
	draining bool
	running  sync.WaitGroup // goroutines of sockets
}

var _ http.Handler = (*Gateway)(nil)

// NewGateway returns a gateway; Run has to run beside it.
func NewGateway(o GatewayOptions) *Gateway {
	o.Heartbeat = orDefault(o.Heartbeat, 25*time.Second)
	o.Hello = orDefault(o.Hello, 5*time.Second)
	o.Stall = orDefault(o.Stall, 30*time.Second)
	o.Request = orDefault(o.Request, 10*time.Second)
	o.Leeway = orDefault(o.Leeway, 30*time.Second)
	o.Closing = orDefault(o.Closing, 2*time.Second)
	o.Drain = orDefault(o.Drain, 10*time.Second)
	o.AckDelay = orDefault(o.AckDelay, time.Second)
	o.Crowd = orDefault(o.Crowd, 10*time.Second)
	o.Joins = orDefault(o.Joins, 16)
	o.QueueBytes = orDefault(o.QueueBytes, 1<<20)
	if o.Limits == (domain.Limits{}) {
		o.Limits = domain.DefaultLimits()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Pace == nil {
		o.Pace = unlimited{}
	}
	return &Gateway{
		o: o, upgrader: newUpgrader(), acks: newAcks(), typing: newTyping(o.Signaller), sightings: newSightings(o),
		joins: newJoins(o.Joins), sockets: make(map[*socket]struct{}),
	}
}

// ServeHTTP makes a socket of the request, or refuses it with a problem
// document. It returns as soon as the socket lives by itself.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.takePlace() {
		writeProblem(w, http.StatusServiceUnavailable, errFull())
		return
	}
	address := g.o.Pace.Address(r)
	identity, status, err := g.admit(r, address)
	if err != nil {
		g.givePlace()
		writeProblem(w, status, err)
		return
	}
	k := newSocket(g, identity, address)
	k.conn, err = g.upgrader.upgrade(w, r, g.o.Limits.FrameBytes, g.o.Stall, k.pong)
	if err != nil {
		g.givePlace()
		return
	}
	if !g.add(k) {
		k.conn.close() // the drain has begun this very moment
		return
	}
	go k.begin(context.Background()) //nolint:contextcheck // the request's holds the request, and ends with it
}

func errDraining() error {
	return domain.ErrUnavailable.WithMessage("this node is going away").WithRetryAfter(time.Second)
}

// admit judges a handshake before anything is upgraded. The identity is nil if
// the token is to come with hello.
func (g *Gateway) admit(r *http.Request, from netip.Prefix) (*domain.Identity, int, error) {
	if g.isDraining() {
		return nil, http.StatusServiceUnavailable, errDraining()
	}
	if !g.originAllowed(r) {
		return nil, http.StatusForbidden, domain.ErrForbidden.WithMessage("the origin is not allowed")
	}
	if offered := r.Header.Values("Sec-WebSocket-Protocol"); len(offered) > 0 && !offers(offered, subprotocol) {
		return nil, http.StatusBadRequest, domain.ErrInvalid.WithMessage("the subprotocol is " + subprotocol)
	}
	if err := g.o.Pace.Admit(domain.RateConnect, "", from); err != nil {
		return nil, http.StatusTooManyRequests, err
	}
	authorization := r.Header.Get("Authorization")
	if authorization == "" {
		return nil, 0, nil
	}
	scheme, raw, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return nil, http.StatusUnauthorized, domain.ErrUnauthenticated
	}
	identity, err := g.o.Authenticator.Verify(r.Context(), strings.TrimSpace(raw))
	if err == nil && identity.User == "" {
		err = domain.ErrUnauthenticated
	}
	if err != nil {
		return nil, statusOf(err), err
	}
	return &identity, 0, nil
}

func (g *Gateway) originAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return len(r.Header.Values("Origin")) == 0
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	return strings.EqualFold(u.Host, r.Host) ||
		slices.ContainsFunc(g.o.AllowedOrigins, func(allowed string) bool { return strings.EqualFold(allowed, origin) })
}

func offers(headers []string, protocol string) bool {
	for _, header := range headers {
		for name := range strings.SplitSeq(header, ",") {
			if strings.TrimSpace(name) == protocol {
				return true
			}
		}
	}
	return false
}

func (g *Gateway) isDraining() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.draining
}

func (g *Gateway) add(k *socket) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.places--
	if g.draining {
		return false
	}
	g.sockets[k] = struct{}{}
	g.running.Add(1)
	return true
}

func (g *Gateway) remove(k *socket) {
	g.mu.Lock()
	delete(g.sockets, k)
	g.mu.Unlock()
	g.running.Done()
}
