package routing

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"im/domain"
)

func TestMain(m *testing.M) {
	redis.SetLogger(silence{})
	goleak.VerifyTestMain(m,
		// The AMQP client leaves this one behind when it is closed in the middle
		// of an outage. A connection that were left open would show by its reader.
		goleak.IgnoreTopFunction("github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp.(*ConnectionWrapper).handleConnectionClose"))
}

// silence is the log of the Redis client: it has a line for every failed dial.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

const patience = time.Minute

// calm is for nodes whose Redis stays: one call that takes long is not an outage.
const calm = maxRedisTimeout

func redisURL() string {
	return cmp.Or(os.Getenv("IM_TEST_REDIS_URL"), "redis://127.0.0.1:6379/0")
}

func amqpURL() string {
	return cmp.Or(os.Getenv("IM_TEST_AMQP_URL"), "amqp://guest:guest@127.0.0.1:5672/")
}

func testLogger(t *testing.T) *slog.Logger {
	if !testing.Verbose() {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// soon is what something that waits for nobody may take on a busy machine. It is
// well below what waiting takes: patience for Redis, the heartbeats of RabbitMQ.
const soon = 5 * time.Second

// newPrefix is unlike that of any other test.
func newPrefix() string { return "imtest-" + strings.ToLower(rand.Text()[:10]) }

func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			require.FailNow(t, "did not happen: "+what)
		}
	}
}

// openRedis returns a client as of OpenRedis, but one that waits for as long as
// its callers do: what ends sooner has been ended by them.
func openRedis(t *testing.T, address string) redis.UniversalClient {
	t.Helper()
	hasty, err := OpenRedis(address)
	require.NoError(t, err)
	require.NoError(t, hasty.Close())
	o := *hasty.(*redis.Client).Options()
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = patience, patience, patience, patience
	o.Dialer = nil // that of hasty has its timeout
	client := redis.NewClient(&o)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func realRedis(t *testing.T) redis.UniversalClient {
	t.Helper()
	client := openRedis(t, redisURL())
	require.NoError(t, client.Ping(t.Context()).Err(), "these tests need Redis at IM_TEST_REDIS_URL")
	return client
}

// embeddedRedis is what im dev uses: its clock has to be pushed on.
func embeddedRedis(t *testing.T) redis.UniversalClient {
	t.Helper()
	server := miniredis.RunT(t)
	ticker := time.NewTicker(50 * time.Millisecond)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-ticker.C:
				server.FastForward(50 * time.Millisecond)
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() { ticker.Stop(); close(stop); <-stopped })
	return openRedis(t, "redis://"+server.Addr())
}

// forget removes what a test left in a shared Redis.
func forget(t *testing.T, client redis.UniversalClient, prefix string) {
	t.Cleanup(func() {
		ctx := context.Background()
		keys, _ := client.Keys(ctx, prefix+":*").Result()
		if len(keys) > 0 {
			_ = client.Del(ctx, keys...).Err()
		}
	})
}

func realBroker(t *testing.T, prefix, address string) *AMQP {
	t.Helper()
	broker, err := NewAMQP(address, prefix, testLogger(t))
	require.NoError(t, err)
	t.Cleanup(func() {
		withChannel(t, func(ch *amqp091.Channel) { _ = ch.ExchangeDelete(broker.exchange(), false, false) })
	})
	return broker
}

func withChannel(t *testing.T, use func(*amqp091.Channel)) {
	t.Helper()
	conn, err := amqp091.Dial(amqpURL())
	require.NoError(t, err, "these tests need RabbitMQ at IM_TEST_AMQP_URL")
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	require.NoError(t, err)
	use(ch)
}

// recorder is the Local of a node without sockets.
type recorder struct {
	mu       sync.Mutex
	pushed   []domain.Committed
	signals  []domain.Signal
	sessions map[domain.SessionID]domain.SessionEntry
	onPush   func(domain.Committed)
	onList   func()
}

var _ Local = (*recorder)(nil)

func newRecorder() *recorder {
	return &recorder{sessions: make(map[domain.SessionID]domain.SessionEntry)}
}

func (r *recorder) Push(c domain.Committed) {
	r.mu.Lock()
	r.pushed = append(r.pushed, c)
	hook := r.onPush
	r.mu.Unlock()
	if hook != nil {
		hook(c)
	}
}

func (r *recorder) Signal(s domain.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.signals = append(r.signals, s)
	if end, ok := s.(domain.EndSessions); ok {
		delete(r.sessions, end.Session)
	}
}

func (r *recorder) Sessions() []domain.SessionEntry {
	r.mu.Lock()
	list := slices.Collect(maps.Values(r.sessions))
	hook := r.onList
	r.mu.Unlock()
	if hook != nil {
		hook()
	}
	return list
}

func (r *recorder) hook(f func(domain.Committed)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onPush = f
}

func (r *recorder) join(e domain.SessionEntry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions[e.Session] = e
}

func (r *recorder) leave(e domain.SessionEntry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, e.Session)
}

// seqs are those that were pushed of a conversation, in the order of arrival.
func (r *recorder) seqs(id domain.ConversationID) (list []int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.pushed {
		if c.ConversationID == id {
			for _, e := range c.Events {
				list = append(list, e.Seq)
			}
		}
	}
	return list
}

func (r *recorder) got(id domain.ConversationID, seq int64) bool {
	return slices.Contains(r.seqs(id), seq)
}

// ended are the close codes of sessions that were to end.
func (r *recorder) ended() map[domain.SessionID]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	codes := make(map[domain.SessionID]int)
	for _, s := range r.signals {
		if end, ok := s.(domain.EndSessions); ok {
			codes[end.Session] = end.Code
		}
	}
	return codes
}

func (r *recorder) frames(user domain.UserID) (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.signals {
		switch s := s.(type) {
		case domain.UserFrame:
			if s.User == user {
				list = append(list, string(s.Frame))
			}
		case domain.ConversationFrame:
			if s.From == user {
				list = append(list, string(s.Frame))
			}
		case domain.Broadcast:
			if user == "" {
				list = append(list, string(s.Frame))
			}
		}
	}
	return list
}

// member is a node with its recorder.
type member struct {
	*Node
	local *recorder
	stop  func()
}

func startNode(t *testing.T, o Options) *member {
	t.Helper()
	local := newRecorder()
	o.Local, o.Logger = local, testLogger(t)
	o.Name = cmp.Or(o.Name, "n")
	node, err := NewNode(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(patience):
			require.FailNow(t, "the node does not stop")
		}
	})
	t.Cleanup(stop)
	return &member{node, local, stop}
}

// gather has what is committed from now on dispatched as one batch, when release
// is called.
func (m *member) gather(t *testing.T) (release func()) {
	t.Helper()
	memory := &m.registry.lookups.mu
	memory.Lock()
	release = sync.OnceFunc(memory.Unlock)
	t.Cleanup(release)
	m.Publish([]domain.Committed{committed(newConversation(), 1, "nobody")}) // its lookup waits
	eventually(t, "the dispatcher waits", func() bool {
		m.remote.mu.Lock()
		defer m.remote.mu.Unlock()
		return len(m.remote.items) == 0
	})
	return release
}

// commit is what a store does after a commit.
func (m *member) commit(batch ...domain.Committed) {
	m.Publish(batch)
	for i := range batch {
		m.Push(batch[i])
	}
}

func (m *member) awaitReady(t *testing.T) {
	t.Helper()
	eventually(t, "node is ready", func() bool { return m.Ready(t.Context()) == nil })
}

// connect adds a session of user, with a device and number of its own.
func (m *member) connect(t *testing.T, user domain.UserID, number int64) domain.SessionEntry {
	t.Helper()
	e := entry(user, domain.DeviceID(fmt.Sprintf("d%d", number)), number)
	m.local.join(e)
	require.NoError(t, m.Register(t.Context(), e, false))
	return e
}

func entry(user domain.UserID, device domain.DeviceID, number int64) domain.SessionEntry {
	return domain.SessionEntry{
		Session: domain.SessionID(fmt.Sprintf("s-%s-%d", user, number)),
		User:    user, Device: device, Number: number, Epoch: "epoch-1",
	}
}

func newConversation() domain.ConversationID { return domain.NewConversationID(time.Now()) }

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
