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
	"im/internal/auth/gate"
	"im/internal/auth/token"
	"im/internal/ratelimit"
	"im/realtime"
	"im/routing"
	"im/routing/broker"
	"im/routing/registry"
	"im/store/postgres"
)

// How long the steps of stopping may take. Together, with the few seconds that
// the routers and committers have, they stay below the 30 s of the contract.
const (
	drainTimeout    = 10 * time.Second
	shutdownTimeout = 3 * time.Second
	stopTimeout     = 28 * time.Second
)

// errOverdue leaves to the end of the process what would not end before.
var errOverdue = fmt.Errorf("stopping took more than %s", stopTimeout)

// Options are what a node is made of. Only Broker, Extra and Drain may be left out.
type Options struct {
	Name     string // the node id is this and a suffix
	Services Services
	Tokens   Tokens
	Rules    Rules
	Logger   *slog.Logger

	// Broker replaces RabbitMQ, for nodes that share a process.
	Broker broker.Broker
	// Extra serves a path that nothing else does, before the web page.
	Extra map[string]http.Handler
	// Drain is how long a drain may take; drainTimeout if zero.
	Drain time.Duration
}

// Node is one node of a cluster. Use New, Run and Close, in this order.
type Node struct {
	o        Options
	redis    redis.UniversalClient
	store    *postgres.Store
	hub      *realtime.Hub
	gateway  *realtime.Gateway
	receipts *realtime.Receipts
	presence *realtime.Presence
	gate     *gate.Gate
	pace     *ratelimit.Pace
	routing  *routing.Node
	http     *http.Server
	serving  atomic.Bool // false: not yet, or not any more
}

// New connects to all that the node depends on, migrates the schema and wires
// the parts. Its errors name the setting at fault.
func New(ctx context.Context, o Options) (*Node, error) {
	if o.Drain == 0 {
		o.Drain = drainTimeout
	}
	if err := errors.Join(o.Rules.check(), checkNames(o.Services.Prefix, o.Name)); err != nil {
		return nil, err
	}
	verifier, err := o.Tokens.verifier(o.Logger)
	if err != nil {
		return nil, err
	}
	n := &Node{o: o}
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

// ID is the node's present id.
func (n *Node) ID() domain.NodeID { return n.routing.ID() }

// connect opens the services, all at once.
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
		// Nothing is committed before Run, and by then there is a routing node.
		Publish:    func(batch []domain.Committed) { n.routing.Publish(batch) },
		Push:       func(c domain.Committed) { n.routing.Push(c) },
		EpochBegan: func(epoch string) { n.hub.EpochBegan(epoch) },
	})
	return err
}

// wire makes the parts known to one another.
func (n *Node) wire(verifier *token.Verifier) (err error) {
	o, limits := n.o, domain.Limits(n.o.Rules.Limits)
	single := o.Rules.SessionPolicy == "single"
	chat := domain.NewChat(n.store, limits)
	if o.Rules.Conversations == "server" {
		chat = chat.Closed()
	}
	n.pace = o.Rules.pace()
	n.gate = gate.New(gate.Options{Verifier: verifier, Profiles: n.store, Revocations: n.store, Limits: limits, Logger: o.Logger})
	n.hub = realtime.NewHub(realtime.HubOptions{
		Directory: n.store, Log: n.store, Logger: o.Logger, Limits: limits, Single: single,
	})
	n.routing, err = routing.NewNode(routing.Options{
		Name: o.Name, Prefix: o.Services.Prefix, Redis: n.redis, Broker: o.Broker, Hub: n.hub, Logger: o.Logger,
		SessionsPerUser: limits.SessionsPerUser,
	})
	if err != nil {
		return err
	}
	n.presence = realtime.NewPresence(n.routing, n.store)
	n.receipts = realtime.NewReceipts(n.store, n.routing, o.Logger)
	n.gateway = realtime.NewGateway(realtime.GatewayOptions{
		Hub: n.hub, Authenticator: n.gate, Chat: chat, Reader: reader{n.store, n.receipts}, Registry: n.routing, Signaller: n.routing,
		SignalScopes: n.store, Presence: n.presence, Logger: o.Logger, Limits: limits, AllowedOrigins: o.Rules.AllowedOrigins, Single: single,
		Pace: n.pace, MaxSockets: o.Rules.MaxSessions,
	})
	n.http, err = n.server(gate.Calls{Gate: n.gate}, chat)
	return err
}

// Run serves on listener until ctx ends, or a part of the node fails. Then it
// stops in this order, and no step is begun before the one above has ended:
//
//	not ready           /readyz says so, and load balancers look elsewhere
//	no new sockets      the gateway refuses them
//	drain the sockets   requests are answered, clients told to reconnect elsewhere
//	no new requests     REST calls in flight are finished
//	leave the registry  other nodes send nothing here any more
//	routers, hub        what was committed is passed on
//	committers          what was taken is written
//
// Pools are closed by Close. It returns nil, or what has failed.
func (n *Node) Run(ctx context.Context, listener net.Listener) error {
	g, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	// start runs a part until it is told to stop, which waits for its end.
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
	stopGate := start(n.gate.Run)
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
		stopGate()
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

// drain lets sockets and requests end, and cuts off what does not in time.
func (n *Node) drain(ctx context.Context) {
	draining, cancel := context.WithTimeout(ctx, n.o.Drain)
	defer cancel()
	if err := n.gateway.Drain(draining); err != nil {
		n.o.Logger.WarnContext(ctx, "sockets were cut off", "error", err)
	}
	finishing, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	if err := n.http.Shutdown(finishing); err != nil {
		n.o.Logger.WarnContext(ctx, "requests were cut off", "error", err)
		_ = n.http.Close()
	}
}

// Close lets go of the pools. Run must have returned, or never been called.
func (n *Node) Close() {
	if n.store != nil {
		n.store.Close()
	}
	if n.redis != nil {
		_ = n.redis.Close()
	}
}

// AwaitReady returns when the node serves and reaches all that it depends on;
// false if ctx ended before.
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
