package routing

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"im/domain"
	"im/routing/broker"
	"im/routing/registry"
	"im/test/amqptest"
	"im/test/eventually"
	"im/test/leaktest"
	"im/test/redistest"
)

func TestMain(m *testing.M) {
	redistest.Discard()
	leaktest.Main(m,
		// The AMQP client leaves this goroutine behind when it is closed during an outage.
		// A connection that was left open would show by its reader.
		goleak.IgnoreTopFunction("github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp.(*ConnectionWrapper).handleConnectionClose"))
}

// stableRedis is the Redis timeout of nodes whose Redis stays: a slow call on a busy
// machine is not an outage.
const stableRedis = registry.MaxTimeout

// promptly is how long something may take that does not wait for Redis or for RabbitMQ,
// on a busy machine. Waiting takes longer: until a heartbeat of RabbitMQ, for example.
const promptly = 5 * time.Second

func testLogger(t *testing.T) *slog.Logger {
	if !testing.Verbose() {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// cluster is several nodes on one Redis.
type cluster struct {
	client    redis.UniversalClient
	prefix    string
	newBroker func() broker.Broker
}

func newCluster(t *testing.T, client redis.UniversalClient, newBroker func(prefix string) broker.Broker) *cluster {
	prefix := redistest.NewPrefix()
	redistest.DeleteAll(t, client, prefix)
	return &cluster{client, prefix, func() broker.Broker { return newBroker(prefix) }}
}

// realCluster runs on Redis and RabbitMQ, as production does.
func realCluster(t *testing.T) *cluster {
	return newCluster(t, redistest.Shared(t), func(prefix string) broker.Broker { return newAMQP(t, prefix, amqptest.URL()) })
}

// embeddedCluster runs on what im dev uses.
func embeddedCluster(t *testing.T) *cluster { return inProcessCluster(t, redistest.Embedded(t)) }

func inProcessCluster(t *testing.T, client redis.UniversalClient) *cluster {
	shared := broker.NewInProcess(testLogger(t))
	return newCluster(t, client, func(string) broker.Broker { return shared })
}

func newAMQP(t *testing.T, prefix, address string) *broker.AMQP {
	t.Helper()
	b, err := broker.NewAMQP(address, prefix, testLogger(t))
	require.NoError(t, err)
	amqptest.DeleteExchange(t, prefix+".all")
	amqptest.DeleteExchange(t, prefix+".nodes")
	return b
}

// start runs a node and waits until it is ready.
func (c *cluster) start(t *testing.T, name string) *node {
	t.Helper()
	n := c.run(t, Options{Name: name, RedisTimeout: stableRedis})
	n.awaitReady(t)
	return n
}

// startThree runs three nodes.
func (c *cluster) startThree(t *testing.T) (a, b, d *node) {
	t.Helper()
	a, b, d = c.start(t, "a"), c.start(t, "b"), c.start(t, "c")
	return a, b, d
}

// run runs a node until the test ends.
func (c *cluster) run(t *testing.T, o Options) *node {
	t.Helper()
	o.Prefix = c.prefix
	if o.Redis == nil {
		o.Redis = c.client
	}
	if o.Broker == nil {
		o.Broker = c.newBroker()
	}
	n := &node{hub: newHub(), broker: &pausableBroker{Broker: o.Broker}}
	o.Hub, o.Broker, o.Logger, o.Name = n.hub, n.broker, testLogger(t), cmp.Or(o.Name, "n")
	var err error
	n.Node, err = NewNode(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(eventually.Deadline):
			require.FailNow(t, "the node does not stop")
		}
	})
	t.Cleanup(n.stop)
	return n
}

// node is a Node with its hub and broker.
type node struct {
	*Node
	hub    *hub
	broker *pausableBroker
	stop   func()
}

// awaitReady waits until the node sends and receives.
func (n *node) awaitReady(t *testing.T) {
	t.Helper()
	eventually.NoError(t, "the node is ready", func() error { return n.Ready(t.Context()) })
	eventually.True(t, "the node receives", n.broker.subscribed.Load)
}

// commit does what a store does after a commit.
func (n *node) commit(batch ...domain.Committed) {
	n.Publish(batch)
	for i := range batch {
		n.Push(batch[i])
	}
}

// connect adds and registers a session of its own device.
func (n *node) connect(t *testing.T, user domain.UserID, number int64) domain.SessionEntry {
	t.Helper()
	e := domain.SessionEntry{
		Session: domain.SessionID(fmt.Sprintf("s-%s-%d", user, number)),
		User:    user, Device: domain.DeviceID(fmt.Sprintf("d%d", number)), Number: number, Epoch: "epoch-1",
	}
	n.hub.add(e)
	require.NoError(t, n.Register(t.Context(), e, false))
	return e
}

// pausableBroker is a broker whose Publish hangs while the test holds pause, as it does
// on a half-open connection.
type pausableBroker struct {
	broker.Broker
	pause      sync.RWMutex
	publishing atomic.Int64 // calls that run
	subscribed atomic.Bool
}

func (b *pausableBroker) Publish(to domain.NodeID, msgs ...*message.Message) error {
	b.publishing.Add(1)
	defer b.publishing.Add(-1)
	b.pause.RLock()
	defer b.pause.RUnlock()
	return b.Broker.Publish(to, msgs...)
}

func (b *pausableBroker) Subscribe(ctx context.Context, node domain.NodeID) <-chan *message.Message {
	defer b.subscribed.Store(true)
	return b.Broker.Subscribe(ctx, node)
}

// hub is a Hub without sockets. It records what it gets.
type hub struct {
	mu       sync.Mutex
	pushed   []domain.Committed
	signals  []domain.Signal
	sessions map[domain.SessionID]domain.SessionEntry
	onPush   func(domain.Committed)
	locked   atomic.Bool // TryPush refuses
}

var _ Hub = (*hub)(nil)

func newHub() *hub { return &hub{sessions: make(map[domain.SessionID]domain.SessionEntry)} }

func (h *hub) Push(c domain.Committed) {
	h.mu.Lock()
	h.pushed = append(h.pushed, c)
	hook := h.onPush
	h.mu.Unlock()
	if hook != nil {
		hook(c)
	}
}

func (h *hub) TryPush(c domain.Committed) bool {
	if h.locked.Load() {
		return false
	}
	h.Push(c)
	return true
}

func (h *hub) Signal(s domain.Signal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.signals = append(h.signals, s)
	if end, ok := s.(domain.EndSessions); ok {
		delete(h.sessions, end.Session)
	}
}

func (h *hub) Sessions() []domain.SessionEntry {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.sessions))
}

// whenPushed calls hook in each call of Push.
func (h *hub) whenPushed(hook func(domain.Committed)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.onPush = hook
}

func (h *hub) add(e domain.SessionEntry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions[e.Session] = e
}

// commits returns what was pushed of a conversation, in the order of arrival.
func (h *hub) commits(id domain.ConversationID) (list []domain.Committed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.pushed {
		if c.ConversationID == id {
			list = append(list, c)
		}
	}
	return list
}

// seqs returns those that were pushed of a conversation, in the order of arrival.
func (h *hub) seqs(id domain.ConversationID) (list []int64) {
	for _, c := range h.commits(id) {
		for _, e := range c.Events {
			list = append(list, e.Seq)
		}
	}
	return list
}

// got reports whether an event was pushed.
func (h *hub) got(id domain.ConversationID, seq int64) bool {
	return slices.Contains(h.seqs(id), seq)
}

// signalled returns the signals, in the order of arrival.
func (h *hub) signalled() []domain.Signal {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.signals)
}

func newConversation() domain.ConversationID { return domain.NewConversationID(time.Now()) }

// committed returns a commit of one event. Without an audience it is for all nodes.
func committed(id domain.ConversationID, seq int64, audience ...domain.UserID) domain.Committed {
	return domain.Committed{
		ConversationID: id,
		Audience:       audience,
		Events: []domain.Event{{
			ConversationID: id, Seq: seq, Type: domain.MessagePosted, Sender: "alice", ClientMsgID: fmt.Sprintf("c-%d", seq),
			At:   domain.TimeOf(time.UnixMicro(1_700_000_000_000_000 + seq)),
			Body: json.RawMessage(`{"content":{"type":"text","text":"héllo"}}`),
		}},
	}
}

func setOf(users ...domain.UserID) map[domain.UserID]struct{} {
	set := make(map[domain.UserID]struct{}, len(users))
	for _, user := range users {
		set[user] = struct{}{}
	}
	return set
}
