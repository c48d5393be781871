package routing

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"im/domain"
	"im/internal/tracing"
	"im/routing/broker"
	"im/routing/internal/queue"
	"im/routing/internal/quietlog"
	"im/routing/registry"
)

const (
	commitBytes   = 16 << 20        // of commits that wait for the hub, and as much for other nodes
	signalBytes   = 4 << 20         // of signals, likewise
	batchBytes    = 1 << 20         // of a batch that is taken from a queue, and so of a message to a node
	routerTimeout = 2 * time.Second // for handlers that run when the node stops
)

// Options are the parts of a Node. Name, Prefix, Logger, Metrics, Tracer, SessionsPerUser
// and RedisTimeout may be zero.
type Options struct {
	Name   string                // such as the host's; the node id is this and a random suffix
	Prefix string                // of all Redis keys; "im" if empty
	Redis  redis.UniversalClient // from registry.Address.Connect: not every client keeps deadlines
	Broker broker.Broker
	Hub    Hub
	Logger *slog.Logger
	// Metrics is where the node registers its metrics.
	Metrics prometheus.Registerer
	// Tracer begins spans; nil: there are no traces.
	Tracer *tracing.Tracer

	SessionsPerUser int           // as in registry.Options
	RedisTimeout    time.Duration // Timeout in registry.Options
}

// Node connects this process with the other nodes: its registry knows where sessions
// are, and its queues, the broker and the hub bring commits and signals there.
type Node struct {
	*registry.Registry

	broker     broker.Broker
	logger     *slog.Logger
	count      *metrics
	recover    recoverer
	local      *localDelivery
	commits    *source[domain.Committed] // for other nodes
	signals    *source[outgoing]         // for other nodes
	dispatcher *dispatcher
	deliverer  *deliverer
}

// NewNode returns a node that takes part once it runs. It has its id already, and
// queues what it is given until then.
func NewNode(o Options) (*Node, error) {
	if o.Broker == nil || o.Hub == nil {
		return nil, errors.New("routing: Broker and Hub are required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	var from origin
	if _, err := rand.Read(from[:]); err != nil {
		return nil, fmt.Errorf("routing: random origin: %w", err)
	}
	n := &Node{broker: o.Broker, logger: o.Logger, count: newMetrics(o.Metrics)}
	n.recover = recoverer{n.count, quietlog.New(o.Logger)}
	n.local = newLocalDelivery(o.Hub, n.recover)
	var err error
	n.Registry, err = registry.New(registry.Options{
		Name: o.Name, Prefix: o.Prefix, Redis: o.Redis, Logger: o.Logger, SessionsPerUser: o.SessionsPerUser, Timeout: o.RedisTimeout,
		Sessions: o.Hub.Sessions, EndSession: n.endSession, Metrics: o.Metrics,
	})
	if err != nil {
		return nil, err
	}
	d := &dispatcher{origin: from, broker: o.Broker, nodesOf: n.NodesOf, nodesNow: n.NodesNow, count: n.count, logger: o.Logger, tracer: o.Tracer}
	n.dispatcher = d
	n.commits = &source[domain.Committed]{queue.New[domain.Committed](commitBytes), d.routeCommits}
	n.signals = &source[outgoing]{queue.New[outgoing](signalBytes), d.routeSignals}
	n.deliverer = &deliverer{origin: from, hub: o.Hub, count: n.count, logger: o.Logger, traced: o.Tracer != nil}
	n.register(o.Metrics)
	return n, nil
}

// Run takes part in the cluster until ctx ends, and returns nil then. It works without
// Redis and without the broker, and uses each of them as soon as it is there. It stops
// in this order: the registry, which removes this node; the router, with the handlers
// that run, and the local delivery; the broker.
func (n *Node) Run(ctx context.Context) error {
	router, err := n.router()
	if err != nil {
		return err
	}
	g, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	registering, stopRegistry := context.WithCancel(ctx)
	routing, stopRouter := context.WithCancel(failed)
	sending, stopBroker := context.WithCancel(failed)
	defer context.AfterFunc(failed, stopRegistry)()
	g.Go(func() error {
		defer stopRouter()
		n.Registry.Run(registering)
		return nil
	})
	g.Go(func() error {
		n.local.run(routing)
		return nil
	})
	g.Go(func() error {
		defer stopBroker()
		defer stopRegistry() // a router that fails stops the rest as well
		return router.Run(routing)
	})
	g.Go(func() error { return n.broker.Run(sending) })
	return g.Wait()
}

// router returns the Watermill router between this node's queues and the broker.
func (n *Node) router() (*message.Router, error) {
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: routerTimeout}, broker.NewLogger(n.logger))
	if err != nil {
		return nil, fmt.Errorf("routing: router: %w", err)
	}
	router.AddMiddleware(n.ackAlways)
	router.AddConsumerHandler("dispatch", "commits", n.commits, n.dispatcher.dispatch)
	router.AddConsumerHandler("dispatch signals", "signals", n.signals, n.dispatcher.dispatch)
	router.AddConsumerHandler("deliver", "node", &nodeQueue{n.broker, n.ID, n.Renamed()}, n.deliverer.deliver)
	return router, nil
}

// ackAlways is a middleware that acknowledges a message even if its handler failed. The
// tail of the log repairs what the handler could not do; a retry would only delay the
// messages behind it.
func (n *Node) ackAlways(handle message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		handler := message.HandlerNameFromCtx(msg.Context())
		n.recover.run(handler, func() {
			if _, err := handle(msg); err != nil && msg.Context().Err() == nil {
				n.recover.log.Warn("handler failed, its message is left to the tail of the log", "handler", handler, "error", err)
			}
		})
		return nil, nil
	}
}

// Publish queues commits for the other nodes that have sessions of their members. It
// never blocks and keeps the order of the calls. The commits must not be changed
// afterwards. A commit that does not fit into the queue is counted and left to the tail
// of the log.
func (n *Node) Publish(batch []domain.Committed) {
	for i := range batch {
		if !n.knownLocal(&batch[i]) {
			n.countDrop(n.commits.queue.Put(batch[i], commitSize(&batch[i])))
		}
	}
}

// fewUsers is how many members a commit may have to be looked at by Publish and to be
// delivered by Push, in the goroutine that has committed.
const fewUsers = 8

// knownLocal reports whether a moment ago no member of a small conversation had a session
// on another node. Then there is nothing to dispatch, and its goroutine need not wake up.
func (n *Node) knownLocal(c *domain.Committed) bool {
	if c.Audience == nil || len(c.Audience) > fewUsers || !n.RecentlyLocal(c.Audience) {
		return false
	}
	n.count.dispatched.Inc()
	return true
}

// Push is Publish for the sessions of this node. It delivers a commit to few members at
// once, if nothing waits and no lock of the hub is held.
func (n *Node) Push(c domain.Committed) { n.countDrop(n.local.push(c)) }

// Signal queues a signal for the sessions that it is for, on this node and on others.
// It never blocks. A signal that does not fit into a queue is counted and lost.
func (n *Node) Signal(s domain.Signal) {
	n.countDrop(n.local.signals.Put(s, signalSize(s)))
	n.countDrop(n.signals.queue.Put(outgoing{signal: s}, signalSize(s)))
}

// endSession queues the end of a session for the node that has it, and for this one:
// the other may be an earlier id of it.
func (n *Node) endSession(node domain.NodeID, s domain.EndSessions) {
	n.countDrop(n.local.signals.Put(s, signalSize(s)))
	if node != n.ID() && node != "" {
		n.countDrop(n.signals.queue.Put(outgoing{s, node}, signalSize(s)))
	}
}

func (n *Node) countDrop(fits bool) {
	if !fits {
		n.count.dropped.Inc()
	}
}

// commitSize is about how many bytes a commit holds.
func commitSize(c *domain.Committed) int {
	size := 64
	for i := range c.Events {
		size += c.Events[i].Size()
	}
	return size + 16*len(c.Audience)
}

// signalSize is about how many bytes a signal holds.
func signalSize(s domain.Signal) int {
	const fixed = 128
	switch s := s.(type) {
	case domain.UserFrame:
		return fixed + len(s.Frame)
	case domain.Broadcast:
		return fixed + len(s.Frame)
	case domain.ConversationFrame:
		return fixed + len(s.Frame)
	default:
		return fixed
	}
}

// Ready returns domain.ErrUnavailable while Redis or the broker cannot be used. The
// node works all the same, but delivers more slowly.
func (n *Node) Ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return domain.ErrUnavailable.WithCause(err)
	}
	if err := n.RedisReady(); err != nil {
		return err
	}
	return n.BrokerReady()
}

// RedisReady returns domain.ErrUnavailable while Redis cannot be used. Its message says
// why.
func (n *Node) RedisReady() error { return n.Registry.Ready() }

// BrokerReady returns domain.ErrUnavailable while messages cannot be sent or received.
// Its message says why.
func (n *Node) BrokerReady() error { return n.broker.Ready() }
