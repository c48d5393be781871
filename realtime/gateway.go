package realtime

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"im/domain"
	"im/internal/edge"
	"im/internal/origin"
	"im/internal/tracing"
	"im/realtime/hub"
	"im/realtime/presence"
	"im/realtime/ws"
)

// Authenticator verifies tokens. It does not check revocations; the hub does.
type Authenticator interface {
	// Verify returns the identity that the token raw proves. It fails with
	// ErrTokenExpired, ErrUnauthenticated, or ErrUnavailable if the token cannot
	// be verified at present.
	Verify(ctx context.Context, raw string) (domain.Identity, error)
}

// Chat posts messages.
type Chat interface {
	// Send calls done exactly once; done does not block. What one goroutine
	// sends to one conversation is committed in that order.
	Send(ctx context.Context, a domain.Actor, p domain.Post, done func(domain.Sent, error))
}

// Reader answers what clients ask of the log, and moves positions.
type Reader interface {
	Sync(ctx context.Context, q domain.SyncQuery) (domain.SyncPage, error)
	Events(ctx context.Context, a domain.Actor, id domain.ConversationID, r domain.Range) (domain.EventPage, error)
	MarkRead(ctx context.Context, a domain.Actor, id domain.ConversationID, seq int64) (domain.ReadState, error)
	// Acknowledge stores how far devices have come. Positions in conversations
	// that the user is not in are ignored.
	Acknowledge(ctx context.Context, acks []domain.Ack) error
}

// Registry is the registry of the cluster's sessions.
type Registry interface {
	// ID returns the present id of this node.
	ID() domain.NodeID
	// Register enters a session, and ends those that it replaces. It fails with
	// ErrConflict if there is a newer one, and with ErrLimitExceeded if the user
	// has too many.
	Register(ctx context.Context, s domain.SessionEntry, single bool) error
	// Reregister publishes a change of a session, now or once Redis is back.
	Reregister(ctx context.Context, s domain.SessionEntry)
	Unregister(ctx context.Context, s domain.SessionEntry) error
}

// SignalScopes returns which signals a conversation has.
type SignalScopes interface {
	// SignalScope fails with ErrNotFound if the user is not a member.
	SignalScope(ctx context.Context, user domain.UserID, id domain.ConversationID) (domain.SignalScope, error)
}

// GatewayOptions configure a gateway. Zero values of the numbers stand for the
// defaults that are named beside them. The interfaces are required unless they
// say otherwise.
type GatewayOptions struct {
	Hub           *hub.Hub
	Authenticator Authenticator
	Chat          Chat
	Reader        Reader
	Registry      Registry
	Signaller     presence.Signaller
	SignalScopes  SignalScopes
	Presence      *presence.Lookup
	Watches       *presence.Watches // those that the hub notifies
	LastSeen      *presence.LastSeen
	RateLimiter   edge.RateLimiter // optional
	Logger        *slog.Logger     // optional
	// Metrics is where the gateway registers its metrics, beside those of Requests.
	// Both are optional.
	Metrics  prometheus.Registerer
	Requests *edge.Requests
	Tracer   *tracing.Tracer // begins spans; optional

	Limits domain.Limits // the contract's if zero
	// Origins decides which pages may connect. The default allows those of the own host.
	Origins *origin.Policy
	// Single: the registry lets a newer session of a user replace all others. The
	// hub needs the same setting.
	Single bool
	// MaxSockets is the number of sockets that the node takes; 0 is no limit.
	MaxSockets int

	Heartbeat    time.Duration // between pings; a peer silent for two is closed: 25 s
	HelloTimeout time.Duration // for the hello to arrive: 5 s
	WriteTimeout time.Duration // for the peer to take a byte: 30 s
	Request      time.Duration // for a request to be answered: 10 s
	Leeway       time.Duration // between the token's end and the session's: 30 s
	CloseTimeout time.Duration // for the peer to answer the close frame: 2 s
	DrainSpread  time.Duration // over which the reconnects of a drain are spread: 10 s
	AckEvery     time.Duration // between writes of acknowledgements: 1 s
	JoinWait     time.Duration // for a hello to wait until it may join: 10 s
	MaxJoins     int           // sessions that join at once: 16
	QueueBytes   int           // that wait for one socket: 1 MiB
}

func (o *GatewayOptions) setDefaults() {
	o.Heartbeat = cmp.Or(o.Heartbeat, 25*time.Second)
	o.HelloTimeout = cmp.Or(o.HelloTimeout, 5*time.Second)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 30*time.Second)
	o.Request = cmp.Or(o.Request, 10*time.Second)
	o.Leeway = cmp.Or(o.Leeway, 30*time.Second)
	o.CloseTimeout = cmp.Or(o.CloseTimeout, 2*time.Second)
	o.DrainSpread = cmp.Or(o.DrainSpread, 10*time.Second)
	o.AckEvery = cmp.Or(o.AckEvery, time.Second)
	o.JoinWait = cmp.Or(o.JoinWait, 10*time.Second)
	o.MaxJoins = cmp.Or(o.MaxJoins, 16)
	o.QueueBytes = cmp.Or(o.QueueBytes, 1<<20)
	o.Limits = cmp.Or(o.Limits, domain.DefaultLimits())
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.RateLimiter == nil {
		o.RateLimiter = edge.Unlimited{}
	}
	if o.Requests == nil {
		o.Requests = edge.NewRequests(nil)
	}
	if o.Origins == nil {
		o.Origins, _ = origin.New(origin.Options{}) // without options it cannot fail
	}
}

// Gateway serves GET /v1/ws. It is an http.Handler.
type Gateway struct {
	o        GatewayOptions
	metrics  metrics
	upgrader *ws.Upgrader
	acks     *acks
	typing   *presence.Typing
	scopes   *scopes
	// joins holds one element for each session that is joining. The bound keeps a
	// storm of connects from making all of them late; the time that a hello waits
	// for a slot does not count against the time that joining may take.
	joins chan struct{}

	mu         sync.Mutex
	sockets    map[*socket]struct{}
	handshakes int // that count against MaxSockets
	draining   bool
	running    sync.WaitGroup // goroutines of sockets
}

var _ http.Handler = (*Gateway)(nil)

// NewGateway returns a gateway. Run has to run while it serves.
func NewGateway(o GatewayOptions) *Gateway {
	o.setDefaults()
	g := &Gateway{
		o: o, upgrader: ws.NewUpgrader(subprotocol, refuseUpgrade), acks: newAcks(&o), scopes: newScopes(),
		typing: presence.NewTyping(o.Signaller), joins: make(chan struct{}, o.MaxJoins), sockets: make(map[*socket]struct{}),
	}
	g.registerMetrics(g.o.Metrics, g.o.Requests)
	return g
}

// ServeHTTP makes a socket of the request, or refuses it with a problem document.
// It returns when the socket's own goroutine runs.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.beginHandshake() {
		err := errFull()
		g.metrics.refused(err)
		writeProblem(w, http.StatusServiceUnavailable, err)
		return
	}
	address := g.o.RateLimiter.Address(r)
	identity, status, err := g.admit(r, address)
	if err != nil {
		g.abortHandshake()
		g.metrics.refused(err)
		writeProblem(w, status, err)
		return
	}
	k := newSocket(g, identity, address)
	k.conn, err = g.upgrader.Upgrade(w, r, ws.ConnOptions{
		MaxFrame: g.o.Limits.FrameBytes, WriteTimeout: g.o.WriteTimeout, OnPing: k.answerPing,
	})
	if err != nil {
		g.abortHandshake()
		return
	}
	if !g.add(k) {
		k.conn.Close() // a drain has begun since admit
		return
	}
	go k.begin(context.Background()) //nolint:contextcheck // the request's context ends with ServeHTTP
}

// beginHandshake reserves a place for a socket. It reports false if the node has
// as many as it may have. Either add or abortHandshake ends the reservation.
func (g *Gateway) beginHandshake() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.o.MaxSockets > 0 && len(g.sockets)+g.handshakes >= g.o.MaxSockets {
		return false
	}
	g.handshakes++
	return true
}

func (g *Gateway) abortHandshake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.handshakes--
}

// add turns a handshake into a socket. It reports false if a drain has begun.
func (g *Gateway) add(k *socket) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.handshakes--
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

func (g *Gateway) isDraining() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.draining
}

// noteOnline records that a session has come online or gone offline. Nothing has
// changed for others if another session of the user is online here.
func (g *Gateway) noteOnline(s *hub.Session) {
	g.o.LastSeen.Note(s.User, !g.o.Hub.IsOnline(s.User, s))
}
