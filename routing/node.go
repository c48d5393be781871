package routing

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"im/domain"
)

const (
	committedBytes = 16 << 20 // waiting for the own sessions, and as much for other nodes
	signalBytes    = 4 << 20
	routerTimeout  = 2 * time.Second // for handlers in flight when the node stops
)

// Local is where the sessions of this node are. Its methods are called from
// several goroutines and must not block: they are the fast path.
type Local interface {
	// Push hands over what was committed to a conversation, by whatever node;
	// of this node's own commits, and of each other node's, in order. The same
	// may come more than once.
	Push(domain.Committed)
	// Signal hands over a signal for the user's sessions on this node, if any.
	Signal(domain.Signal)
	// Sessions lists the sessions that should be in the registry. One that
	// Unregister is called for is not among them any more.
	Sessions() []domain.SessionEntry
}

// Options are what a Node is made of; Name, Prefix, Logger, SessionsPerUser
// and RedisTimeout may be left out.
type Options struct {
	Name   string                // of the host, say; the node id is this and a suffix
	Prefix string                // of all Redis keys; "im" if empty
	Redis  redis.UniversalClient // as of OpenRedis: deadlines are kept only where the client keeps them
	Broker Broker
	Local  Local
	Logger *slog.Logger
	// SessionsPerUser is how many live sessions a user may have in the whole
	// cluster, as far as the registry knows; the contract's if zero.
	SessionsPerUser int
	// RedisTimeout is how long a lookup, or whoever registers a session, waits for
	// Redis; a quarter of a second if zero, maxRedisTimeout at most. The turns of the
	// registry take as long at least, and so long at least is a Redis doubted that came
	// back empty.
	RedisTimeout time.Duration
}

// Node is one node's place among the others.
type Node struct {
	registry   *registry
	dispatcher *dispatcher
	broker     Broker
	logger     watermillLogger
	count      *counters

	near         near
	remote       *feed[domain.Committed]
	localSignal  *feed[domain.Signal]
	remoteSignal *feed[outbound]
}

// NewNode returns a node that takes part once it runs. It already has its id,
// and keeps what it is told until then, within its bounds.
func NewNode(o Options) (*Node, error) {
	if o.Redis == nil || o.Broker == nil || o.Local == nil {
		return nil, errors.New("routing: Redis, Broker and Local are required")
	}
	if o.Prefix == "" {
		o.Prefix = "im"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.SessionsPerUser == 0 {
		o.SessionsPerUser = domain.DefaultLimits().SessionsPerUser
	}
	if o.RedisTimeout > maxRedisTimeout {
		return nil, fmt.Errorf("routing: RedisTimeout is above %s", maxRedisTimeout)
	}
	if o.RedisTimeout == 0 {
		o.RedisTimeout = redisTimeout
	}
	n := &Node{
		broker:       o.Broker,
		logger:       newWatermillLogger(o.Logger),
		count:        &counters{},
		remote:       newFeed[domain.Committed](committedBytes, messageBytes),
		localSignal:  newFeed[domain.Signal](signalBytes, messageBytes),
		remoteSignal: newFeed[outbound](signalBytes, messageBytes),
	}
	n.registry = newRegistry(o, n.count, n.end)
	n.dispatcher = &dispatcher{
		local:   o.Local,
		broker:  o.Broker,
		lookups: n.registry.lookups,
		log:     newRepeatedLog(o.Logger),
		count:   n.count,
	}
	n.near.feed = newFeed[domain.Committed](committedBytes, messageBytes)
	n.near.local, n.near.guard = o.Local, n.dispatcher.guard
	if _, err := rand.Read(n.dispatcher.from[:]); err != nil {
		return nil, fmt.Errorf("routing: random origin: %w", err)
	}
	return n, nil
}

// ID returns the node's present id. It changes when the lease was lost.
func (n *Node) ID() domain.NodeID { return n.registry.nodeID() }

// Stats returns the counts so far.
func (n *Node) Stats() Stats { return n.count.read() }

// Run takes part until ctx ends: it keeps lease and sessions in Redis, sends
// and receives. It comes up without Redis and without the broker, and uses
// them as soon as they are there. It stops in this order: leave the registry,
// the router with what it has in flight, the broker. It returns nil then.
func (n *Node) Run(ctx context.Context) error {
	router, err := n.router()
	if err != nil {
		return err
	}
	g, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	routing, stopRouter := context.WithCancel(failed)
	sending, stopBroker := context.WithCancel(failed)
	living, stopRegistry := context.WithCancel(ctx)
	defer context.AfterFunc(failed, stopRegistry)()
	g.Go(func() error {
		defer stopRouter()
		n.registry.run(living)
		return nil
	})
	g.Go(func() error {
		defer stopBroker()
		defer stopRegistry() // a router that stops by itself takes the rest along
		return router.Run(routing)
	})
	g.Go(func() error { return n.broker.Run(sending) })
	return g.Wait()
}

func (n *Node) router() (*message.Router, error) {
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: routerTimeout}, n.logger)
	if err != nil {
		return nil, fmt.Errorf("routing: router: %w", err)
	}
	d := n.dispatcher
	router.AddMiddleware(d.forgiving)
	router.AddConsumerHandler("dispatch.local", "committed", &n.near, n.near.handle)
	router.AddConsumerHandler("dispatch", "committed", n.remote, d.dispatch)
	router.AddConsumerHandler("signal.local", "signals", n.localSignal, d.signalLocal)
	router.AddConsumerHandler("signal", "signals", n.remoteSignal, d.signal)
	router.AddConsumerHandler("deliver", "node", &inbox{n.broker, n.ID, n.registry.renamed}, d.deliver)
	return router, nil
}

// Publish tells other nodes what was committed just now; it never blocks, and
// keeps the order of the calls. The batches must not be changed afterwards. What
// does not fit into the queue is counted and left to the tail of the log.
func (n *Node) Publish(batch []domain.Committed) {
	for i := range batch {
		n.counted(n.remote.put(batch[i], committedSize(&batch[i])))
	}
}

// Push is Publish for the sessions of this node. Where they are few, they have been
// told when it returns.
func (n *Node) Push(c domain.Committed) { n.counted(n.near.push(c)) }

func committedSize(c *domain.Committed) int {
	size := 64
	for i := range c.Events {
		size += c.Events[i].Size()
	}
	return size + 16*len(c.Audience)
}

// Signal tells the live sessions of a user, or those of the members of a
// conversation, on this node and wherever else they are; it never blocks. What does not fit into the queue is given up.
func (n *Node) Signal(s domain.Signal) {
	n.counted(n.localSignal.put(s, signalSize(s)))
	n.counted(n.remoteSignal.put(outbound{signal: s}, signalSize(s)))
}

// end tells a session that is known to be on node. That may be an earlier id
// of this one.
func (n *Node) end(node domain.NodeID, s domain.Signal) {
	n.counted(n.localSignal.put(s, signalSize(s)))
	if node != n.ID() && node != "" {
		n.counted(n.remoteSignal.put(outbound{s, node}, signalSize(s)))
	}
}

// signalSize is about how many bytes a signal holds.
func signalSize(s domain.Signal) int {
	const fixed = 128
	switch s := s.(type) {
	case domain.UserFrame:
		return fixed + len(s.User) + len(s.Frame)
	case domain.Broadcast:
		return fixed + len(s.Frame)
	case domain.ConversationFrame:
		return fixed + len(s.From) + len(s.Frame)
	default:
		return fixed
	}
}

func (n *Node) counted(fits bool) {
	if !fits {
		n.count.dropped.Add(1)
	}
}

// Register makes a session findable from all nodes, and ends those that it
// replaces (close code 4402): older ones of the same user and device or, where
// single, all older ones of the user. If a newer one is there already, the
// answer is domain.ErrConflict and the session has to end with 4402 itself; if
// the user has as many sessions as may be, it is domain.ErrLimitExceeded.
// Without Redis it returns nil in Options.RedisTimeout at most; the session is
// registered when Redis is back, and Local is told then if it was replaced.
func (n *Node) Register(ctx context.Context, e domain.SessionEntry, single bool) error {
	return n.registry.register(ctx, e, single)
}

// Unregister removes a session, now or when Redis is back. It returns nil.
func (n *Node) Unregister(ctx context.Context, e domain.SessionEntry) error {
	n.registry.unregister(ctx, e)
	return nil
}

// Ready returns domain.ErrUnavailable while Redis or the broker is away. The
// node serves all the same, more slowly.
func (n *Node) Ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return domain.ErrUnavailable.WithCause(err)
	}
	if !n.registry.ready.Load() {
		return domain.ErrUnavailable.WithCause(errors.New("routing: redis does not answer"))
	}
	if err := n.broker.Ready(); err != nil {
		return domain.ErrUnavailable.WithCause(err)
	}
	return nil
}
