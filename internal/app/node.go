package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"im/domain"
	"im/internal/auth"
	"im/internal/profiles"
	"im/internal/ratelimit"
	"im/realtime"
	"im/realtime/hub"
	"im/realtime/presence"
	"im/routing"
	"im/routing/broker"
	"im/routing/registry"
	"im/store/postgres"
)

// Timeouts of the steps of stopping. The contract permits 30 s for all of them.
const (
	drainTimeout    = 10 * time.Second // of the sockets
	shutdownTimeout = 3 * time.Second  // of REST calls in flight
	stopTimeout     = 28 * time.Second // of all steps together
)

// errOverdue is returned when a part does not stop in time. The process then ends
// without it.
var errOverdue = fmt.Errorf("stopping took more than %s", stopTimeout)

// Options configure a node. All but Broker, Extra and Drain are required.
type Options struct {
	Name     string // the node id is this name with a random suffix
	Services Services
	Tokens   Tokens
	Rules    Rules
	Logger   *slog.Logger

	// Broker replaces RabbitMQ, for nodes that share a process. By default the
	// node connects to Services.AMQPURL.
	Broker broker.Broker
	// Extra are handlers of additional paths. They precede all others.
	Extra map[string]http.Handler
	// Drain is the timeout for draining the sockets. The default is 10 s.
	Drain time.Duration
}

// Node is one node of a cluster. Use New, Run and Close, in this order.
type Node struct {
	o        Options
	redis    redis.UniversalClient
	store    *postgres.Store
	hub      *hub.Hub
	gateway  *realtime.Gateway
	receipts *presence.Receipts
	presence *presence.Lookup
	profiles *profiles.Recorder
	limiter  *ratelimit.Limiter
	routing  *routing.Node
	http     *http.Server
	serving  atomic.Bool // false before Run has started everything, and while it stops
}

// New connects to the services, migrates the schema and assembles the node. Errors
// name the setting at fault. The caller must Close the node.
func New(ctx context.Context, o Options) (*Node, error) {
	if o.Drain == 0 {
		o.Drain = drainTimeout
	}
	if err := errors.Join(o.Rules.check(), checkNames(o.Services.Prefix, o.Name)); err != nil {
		return nil, err
	}
	n := &Node{o: o}
	// No token is verified before wire has created the recorder.
	verifier, err := o.Tokens.verifier(o.Logger, func(id domain.Identity) { n.profiles.Record(id) })
	if err != nil {
		return nil, err
	}
	if err := n.connect(ctx); err != nil {
		n.Close()
		return nil, err
	}
	if err := n.wire(verifier); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// ID returns the current id of the node. It changes when the node registers again
// after a loss of Redis.
func (n *Node) ID() domain.NodeID { return n.routing.ID() }

// connect connects to all services concurrently.
func (n *Node) connect(ctx context.Context) error {
	s, logger := n.o.Services, n.o.Logger
	client, err := registry.OpenRedis(s.RedisURL)
	if err != nil {
		return fmt.Errorf("IM_REDIS_URL: %w", err)
	}
	n.redis = client
	if n.o.Broker == nil {
		if n.o.Broker, err = broker.NewAMQP(s.AMQPURL, s.Prefix, logger); err != nil {
			return fmt.Errorf("IM_AMQP_URL: %w", err)
		}
	} else {
		s.AMQPURL = ""
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return reach(ctx, "IM_DATABASE_URL", s.StartTimeout, logger, n.openStore)
	})
	g.Go(func() error {
		return reach(ctx, "IM_REDIS_URL", s.StartTimeout, logger, func(ctx context.Context) error { return pingRedis(ctx, client) })
	})
	if s.AMQPURL != "" {
		g.Go(func() error {
			return reach(ctx, "IM_AMQP_URL", s.StartTimeout, logger, func(ctx context.Context) error { return dialAMQP(ctx, s.AMQPURL) })
		})
	}
	return g.Wait()
}

func (n *Node) openStore(ctx context.Context) (err error) {
	url := n.o.Services.DatabaseURL
	if n.o.Services.Migrate == "auto" {
		if err := Migrate(ctx, url, n.o.Logger); err != nil {
			return err
		}
	}
	n.store, err = postgres.Open(ctx, postgres.Options{
		URL: url, Node: n.o.Name, Limits: domain.Limits(n.o.Rules.Limits), Logger: n.o.Logger,
		// These are called during Run only, when n.routing and n.hub are set.
		Publish:    func(batch []domain.Committed) { n.routing.Publish(batch) },
		Push:       func(c domain.Committed) { n.routing.Push(c) },
		EpochBegan: func(epoch string) { n.hub.EpochBegan(epoch) },
	})
	return err
}

// wire creates the parts and connects them to one another.
func (n *Node) wire(verifier *auth.Verifier) (err error) {
	o, limits := n.o, domain.Limits(n.o.Rules.Limits)
	single := o.Rules.SessionPolicy == "single"
	chat := domain.NewChat(n.store, limits)
	if o.Rules.Conversations == "server" {
		chat = chat.BackendOnly()
	}
	n.limiter = o.Rules.limiter()
	n.profiles = profiles.NewRecorder(n.store, limits, o.Logger)
	watches := presence.NewWatches()
	n.hub = hub.New(hub.Options{
		Directory: n.store, Log: n.store, Presence: watches, Logger: o.Logger, Limits: limits, Single: single,
	})
	n.routing, err = routing.NewNode(routing.Options{
		Name: o.Name, Prefix: o.Services.Prefix, Redis: n.redis, Broker: o.Broker, Hub: n.hub, Logger: o.Logger,
		SessionsPerUser: limits.SessionsPerUser,
	})
	if err != nil {
		return err
	}
	n.presence = presence.NewLookup(n.routing, n.store)
	n.receipts = presence.NewReceipts(n.store, n.routing, o.Logger)
	n.gateway = realtime.NewGateway(realtime.GatewayOptions{
		Hub: n.hub, Authenticator: verifier, Chat: chat, Reader: reader{n.store, n.receipts}, Registry: n.routing, Signaller: n.routing,
		SignalScopes: n.store, Presence: n.presence, Watches: watches, LastSeen: presence.NewLastSeen(n.store, n.routing, o.Logger),
		RateLimiter: n.limiter, Logger: o.Logger, Limits: limits, AllowedOrigins: o.Rules.AllowedOrigins, Single: single,
		MaxSockets: o.Rules.MaxSessions,
	})
	n.http, err = n.server(auth.NewRevocationChecker(verifier, n.store), chat)
	return err
}

// Run serves on listener until ctx ends or a part of the node fails. It then stops
// everything in the order that the documentation of the package lists. It returns
// the error of the part that failed, or nil.
func (n *Node) Run(ctx context.Context, listener net.Listener) error {
	g, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	// start runs a part. The returned function stops the part and waits for its end.
	start := func(run func(context.Context) error) (stop func()) {
		running, cancel := context.WithCancel(context.WithoutCancel(ctx))
		done := make(chan struct{})
		g.Go(func() error {
			defer close(done)
			return run(running)
		})
		return func() { cancel(); <-done }
	}
	stopStore := start(n.store.Run)
	stopHub := start(n.hub.Run)
	stopRouting := start(n.routing.Run)
	stopProfiles := start(n.profiles.Run)
	stopReceipts := start(n.receipts.Run)
	stopGateway := start(n.gateway.Run)
	g.Go(func() error {
		if err := n.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	n.serving.Store(true)

	select {
	case <-ctx.Done():
	case <-failed.Done():
	}
	n.serving.Store(false)
	stopped := make(chan error, 1)
	go func() {
		n.drain(context.WithoutCancel(ctx))
		stopGateway()
		stopReceipts()
		stopProfiles()
		stopRouting()
		stopHub()
		stopStore()
		stopped <- g.Wait()
	}()
	select {
	case err := <-stopped:
		return err
	case <-time.After(stopTimeout):
		return errOverdue
	}
}

// drain waits for sockets and then for requests to end. It cuts off those that
// exceed their timeout.
func (n *Node) drain(ctx context.Context) {
	draining, cancel := context.WithTimeout(ctx, n.o.Drain)
	defer cancel()
	if err := n.gateway.Drain(draining); err != nil {
		n.o.Logger.WarnContext(ctx, "sockets were closed before they had drained", "error", err)
	}
	finishing, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	if err := n.http.Shutdown(finishing); err != nil {
		n.o.Logger.WarnContext(ctx, "requests were cut off while the node stopped", "error", err)
		_ = n.http.Close()
	}
}

// Close closes the connection pools. Run must have returned, if it was called.
func (n *Node) Close() {
	if n.store != nil {
		n.store.Close()
	}
	if n.redis != nil {
		_ = n.redis.Close()
	}
}

// AwaitReady waits until the node serves and reaches the services it depends on. It
// returns false if ctx ends first.
func (n *Node) AwaitReady(ctx context.Context) bool {
	tick := time.NewTicker(retryPause / 10)
	defer tick.Stop()
	for !n.serving.Load() || n.store.Ping(ctx) != nil || n.routing.Ready(ctx) != nil {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}
