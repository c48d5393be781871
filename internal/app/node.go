package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"im/attachment"
	"im/domain"
	"im/hook"
	"im/internal/auth"
	"im/internal/edge"
	"im/internal/origin"
	"im/internal/profiles"
	"im/internal/ratelimit"
	"im/internal/tracing"
	"im/push"
	"im/realtime"
	"im/realtime/hub"
	"im/realtime/presence"
	"im/routing"
	"im/routing/broker"
	"im/routing/registry"
	"im/store/postgres"
	"im/stream"
	"im/webhook"
)

// DefaultStop is the default of Options.Stop.
const DefaultStop = 30 * time.Second

// errOverdue is returned when a part does not stop in time. The process then ends
// without it.
var errOverdue = errors.New("stopping took too long (IM_DRAIN)")

// Options configure a node. All but Broker, Admin, TLS, Operation, Tracing, Version, Extra,
// Stop and Drain are required.
type Options struct {
	Name     string // the node id is this name with a random suffix
	Services Services
	Tokens   Tokens
	Rules    Rules
	Edge     Edge
	Logger   *slog.Logger

	// Broker replaces RabbitMQ, for nodes that share a process. By default the
	// node connects to Services.AMQPURL.
	Broker broker.Broker
	// Operation says what operators see at the public address. OpenAdmins has used the
	// rest of it.
	Operation Operation
	// Tracing says where spans are sent, and how many.
	Tracing Tracing
	// Version is the version of the program, for the metrics.
	Version string
	// Admin is where the node adds its handlers for operators.
	Admin *Admin
	// TLS makes the node speak TLS only. The admin address has its own.
	TLS *tls.Config
	// Extra are handlers of additional paths. They precede all others.
	Extra map[string]http.Handler
	// Stop is how long all steps of stopping may take. The default is DefaultStop.
	Stop time.Duration
	// Drain is the part of Stop for draining the sockets. The default is a third.
	Drain time.Duration
}

// Node is one node of a cluster. Use New, Run and Close, in this order.
type Node struct {
	o           Options
	redis       redis.UniversalClient
	amqp        *broker.AMQP // nil with Options.Broker
	store       *postgres.Store
	hub         *hub.Hub
	gateway     *realtime.Gateway
	receipts    *presence.Receipts
	lastSeen    *presence.LastSeen
	presence    *presence.Lookup
	profiles    *profiles.Recorder
	limiter     *ratelimit.Limiter
	origins     *origin.Policy
	routing     *routing.Node
	webhooks    *webhook.Deliverer
	hook        *hook.Caller
	attachments *attachment.Service
	push        *push.Pusher
	http        *http.Server
	metrics     *Metrics
	tracer      *tracing.Tracer             // nil: there are no traces
	untrace     func(context.Context) error // sends what waits, and stops the tracer
	serving     atomic.Bool                 // false before Run has started everything, and from the begin of the drain on
	drainer     *drainer
}

// New connects to the services, migrates the schema and assembles the node. Errors
// name the setting at fault. The caller must Close the node.
func New(ctx context.Context, o Options) (*Node, error) {
	if o.Stop == 0 {
		o.Stop = DefaultStop
	}
	if o.Drain == 0 {
		o.Drain = o.Stop / 3
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	origins, err := o.Edge.Origins(o.Rules, o.Logger)
	if err != nil {
		return nil, err
	}
	n := &Node{o: o, origins: origins, metrics: newMetrics(o.Version), drainer: newDrainer()}
	if o.Admin != nil { // before the services are reached, which may take long
		o.Admin.Handle("GET /metrics", n.metricsHandler())
	}
	// No token is verified before wire has created the recorder.
	verifier, err := o.Tokens.verifier(o.Logger, func(id domain.Identity) { n.profiles.Record(id) })
	if err != nil {
		return nil, err
	}
	if n.tracer, n.untrace, err = openTracing(ctx, o); err != nil {
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

// connect connects to all services. It changes nothing in the database before it has reached
// all of them.
func (n *Node) connect(ctx context.Context) error {
	s, logger := n.o.Services, n.o.Logger
	redisAddress, err := registry.ParseURL(s.RedisURL)
	if err != nil {
		return fmt.Errorf("IM_REDIS_URL: %w", err)
	}
	if n.o.Broker == nil {
		if n.amqp, err = broker.NewAMQP(s.AMQPURL, s.Prefix, logger); err != nil {
			return fmt.Errorf("IM_AMQP_URL: %w", err)
		}
		n.o.Broker = n.amqp
	}
	services := append(n.databases(), service{"IM_REDIS_URL", func(ctx context.Context) error { return n.openRedis(ctx, redisAddress) }})
	if n.amqp != nil {
		services = append(services, service{"IM_AMQP_URL", func(ctx context.Context) error { return checkAMQP(ctx, n.amqp) }})
	}
	if err := reachAll(ctx, s.StartTimeout, logger, services...); err != nil {
		return err
	}
	return n.openStore(ctx)
}

// wire creates the parts and connects them to one another.
func (n *Node) wire(verifier *auth.Verifier) (err error) {
	o, limits := n.o, domain.Limits(n.o.Rules.Limits)
	single := o.Rules.SessionPolicy == "single"
	chat := domain.NewChat(n.store, limits)
	if o.Rules.Conversations == "server" {
		chat = chat.BackendOnly()
	}
	if n.attachments, err = n.openAttachments(); err != nil {
		return err
	}
	if o.Rules.Attachments.Storage != "" {
		chat = chat.WithUploads(n.attachments)
	}
	n.hook = o.Rules.Hook.caller(n.store, limits, o.Logger, n.metrics, n.tracer)
	if o.Rules.Hook.URL != "" {
		chat = chat.WithHook(n.hook)
	}
	n.limiter = o.Rules.limiter(n.metrics)
	n.profiles = profiles.NewRecorder(n.store, limits, o.Logger)
	watches := presence.NewWatches()
	n.hub = hub.New(hub.Options{
		Directory: n.store, Log: n.store, Presence: watches, Logger: o.Logger, Limits: limits, Single: single,
		Metrics: n.metrics, Tracer: n.tracer,
	})
	n.routing, err = routing.NewNode(routing.Options{
		Name: o.Name, Prefix: o.Services.Prefix, Redis: n.redis, Broker: o.Broker, Hub: n.hub, Logger: o.Logger,
		SessionsPerUser: limits.SessionsPerUser, Metrics: n.metrics, Tracer: n.tracer,
	})
	if err != nil {
		return err
	}
	n.presence = presence.NewLookup(n.routing, n.store)
	if n.push, err = n.openPush(); err != nil {
		return err
	}
	n.receipts = presence.NewReceipts(positions{n.store, n.push}, n.routing, o.Logger)
	n.lastSeen = presence.NewLastSeen(n.store, n.routing, o.Logger)
	if n.webhooks, err = n.deliverer(); err != nil {
		return err
	}
	requests := edge.NewRequests(n.metrics)
	n.gateway = realtime.NewGateway(realtime.GatewayOptions{
		Hub: n.hub, Authenticator: verifier, Chat: chat, Reader: reader{n.store, n.receipts}, Registry: n.routing, Signaller: n.routing,
		SignalScopes: n.store, Presence: n.presence, Watches: watches, LastSeen: n.lastSeen,
		RateLimiter: n.limiter, Logger: o.Logger, Limits: limits, Origins: n.origins, Single: single,
		MaxSockets: o.Rules.MaxSessions, Metrics: n.metrics, Requests: requests, Tracer: n.tracer,
	})
	n.registerMetrics()
	n.http, err = n.server(auth.NewStandingChecker(verifier, n.store), chat, requests)
	return err
}

// deliverer returns the deliverer of webhooks and of the event stream.
func (n *Node) deliverer() (*webhook.Deliverer, error) {
	rules := n.o.Rules
	allowed, err := rules.Webhooks.allowed()
	if err != nil {
		return nil, err
	}
	o := webhook.Options{
		Store: n.store, Allow: allowed, Retries: rules.Webhooks.Retries, NotifyDelay: rules.Push.Delay, Devices: n.routing,
		Logger: n.o.Logger.With("component", "webhook"), Metrics: n.metrics,
	}
	address, err := rules.Events.address()
	if err != nil {
		return nil, err
	}
	if address != nil {
		o.Stream = stream.New(address) // it connects at the first event: the node starts without the broker
	}
	if o.StreamFrom, err = rules.Events.from(); err != nil {
		return nil, err
	}
	return webhook.New(o), nil
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
	stopWebhooks := start(n.webhooks.Run)
	stopPush := start(n.push.Run)
	stopAttachments := start(n.attachments.Run)
	stopHook := start(n.hook.Run)
	g.Go(func() error {
		if err := n.http.Serve(n.listener(listener)); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	n.serving.Store(true)
	if n.o.Admin != nil {
		n.o.Admin.Handle("POST /drain", http.HandlerFunc(n.serveDrain))
	}

	select {
	case <-ctx.Done():
	case <-failed.Done():
	}
	n.serving.Store(false)
	stopped := make(chan error, 1)
	go func() {
		n.drain(context.WithoutCancel(ctx))
		stopGateway()
		stopHook() // what it decides still goes to the store
		stopWebhooks()
		stopPush()
		stopAttachments()
		stopReceipts()
		stopProfiles()
		stopRouting()
		stopHub()
		stopStore()
		n.stopTracing(n.o.Stop / 10)
		stopped <- g.Wait()
	}()
	select {
	case err := <-stopped:
		return err
	case <-time.After(n.o.Stop * 14 / 15): // what is left is for the process to exit
		return errOverdue
	}
}

// listener returns the listener with the PROXY protocol, if that is enabled, and with TLS
// inside of it.
func (n *Node) listener(l net.Listener) net.Listener {
	trusted, _ := n.o.Rules.proxies() // New has checked them
	l = &proxyListener{Listener: l, enabled: n.o.Edge.ProxyProtocol == "on", trusted: trusted, log: edge.NewRefusals(n.o.Logger)}
	return withTLS(l, n.o.TLS)
}

// drain waits for sockets and then for requests to end. It cuts off those that
// exceed their timeout.
func (n *Node) drain(ctx context.Context) {
	<-n.beginDrain(ctx)
	finishing, cancel := context.WithTimeout(ctx, n.o.Stop/10)
	defer cancel()
	if err := n.http.Shutdown(finishing); err != nil {
		n.o.Logger.WarnContext(ctx, "requests were cut off while the node stopped", "error", err)
		_ = n.http.Close()
	}
}

// Close closes the connection pools. Run must have returned, if it was called.
func (n *Node) Close() {
	n.stopTracing(0)
	if n.store != nil {
		n.store.Close()
	}
	if n.redis != nil {
		_ = n.redis.Close()
	}
}

// stopTracing sends the spans that wait, for as long as grace.
func (n *Node) stopTracing(grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := n.untrace(ctx); err != nil && grace > 0 {
		n.o.Logger.WarnContext(ctx, "the last traces were not sent", "error", err)
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
