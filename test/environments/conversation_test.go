package environments

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"im/client"
	"im/domain"
	"im/internal/auth"
	"im/test/eventually"
	"im/test/improcess"
)

const testSecret = "a secret of the tests, 32 bytes long or more"

// testCluster is what the nodes of a test share: a prefix in Redis and RabbitMQ, and
// the environment of the processes.
type testCluster struct {
	t   testing.TB
	env []string
}

func newTestCluster(t testing.TB, env ...string) *testCluster {
	t.Helper()
	prefix, cache := "env-"+uuid.NewString()[:8], envOr("IM_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
	t.Cleanup(func() { removeKeys(t, cache, prefix) })
	return &testCluster{t: t, env: append([]string{
		"IM_REDIS_URL=" + cache, "IM_AMQP_URL=" + envOr("IM_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/"),
		"IM_PREFIX=" + prefix, "IM_JWT_SECRET=" + testSecret, "IM_START_TIMEOUT=60s", "IM_LOG_FORMAT=json", "IM_CREATE_DATABASE=true",
	}, env...)}
}

func envOr(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

func removeKeys(t testing.TB, cache, prefix string) {
	options, err := redis.ParseURL(cache)
	require.NoError(t, err)
	c := redis.NewClient(options)
	defer func() { _ = c.Close() }()
	if keys, err := c.Keys(context.Background(), prefix+"*").Result(); err == nil && len(keys) > 0 {
		_ = c.Del(context.Background(), keys...).Err()
	}
}

// node starts a node and waits until it is ready.
func (c *testCluster) node(name string, env ...string) *improcess.Process {
	c.t.Helper()
	n := c.startNode(name, env...)
	n.AwaitReady()
	return n
}

func (c *testCluster) startNode(name string, env ...string) *improcess.Process {
	c.t.Helper()
	return improcess.Serve(c.t, binary, append(append(append([]string{}, c.env...), "IM_NODE_NAME="+name), env...)...)
}

// refused starts a node that must exit with code 2, and returns what it says.
func (c *testCluster) refused(env ...string) string {
	c.t.Helper()
	n := c.startNode("refused", env...)
	require.Error(c.t, n.Wait(), "%s", n.Output())
	return n.Output()
}

// verify runs im verify on the nodes: sends over WebSocket and REST, syncs, history,
// searches, edits, and checks the guarantees.
func (c *testCluster) verify(flags []string, nodes ...*improcess.Process) {
	c.t.Helper()
	args := append([]string{"verify", "--quiet", "--no-floods", "--jwt-secret", testSecret}, flags...)
	for _, n := range nodes {
		args = append(args, "--url", n.URL)
	}
	p := improcess.Start(c.t, binary, nil, args...)
	require.NoError(c.t, p.Wait(), "%s", p.Output())
	c.t.Log(p.Output())
}

// device is a client of a user that records what it receives.
type device struct {
	*client.Client

	mu     sync.Mutex
	events []client.Event
	resets int
}

// connectDevice runs a client until the test ends. The first node is tried first.
func connectDevice(t testing.TB, user domain.UserID, nodes ...*improcess.Process) *device {
	t.Helper()
	d := &device{}
	var urls []string
	for _, n := range nodes {
		urls = append(urls, n.URL)
	}
	token, err := auth.Sign(testSecret, user, auth.Grant{TTL: time.Hour, UserClaim: "sub"})
	require.NoError(t, err)
	d.Client, err = client.New(client.Options{
		URLs: urls, Token: client.Token(token), History: client.Everything,
		OnEvent: func(_ context.Context, _ *client.Client, e client.Event) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.events = append(d.events, e)
			return nil
		},
		OnReset: func(context.Context, *client.Client, string) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.events, d.resets = nil, d.resets+1
			return nil
		},
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = d.Run(ctx) // it ends with the test
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	synced, cancel := context.WithTimeout(t.Context(), eventually.Deadline)
	defer cancel()
	require.NoError(t, d.Synced(synced))
	return d
}

// texts returns the texts of the messages of a conversation that were received so far.
func (d *device) texts(id client.ConversationID) (list []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.events {
		if m, ok := client.MessageOf(e); ok && e.ConversationID == id {
			list = append(list, client.TextOf(m.Content))
		}
	}
	return list
}

// requireConversation has two users on two nodes talk over WebSocket and REST, and reads
// the conversation in every way.
func requireConversation(t testing.TB, nodes ...*improcess.Process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*eventually.Deadline)
	defer cancel()
	word := "w" + strings.ReplaceAll(uuid.NewString()[:13], "-", "")
	alice := connectDevice(t, domain.UserID("alice-"+word), nodes[0])
	bob := connectDevice(t, domain.UserID("bob-"+word), nodes[len(nodes)-1])
	group, err := alice.CreateGroup(ctx, client.NewGroup{Title: "group", Members: []client.UserID{bob.User()}})
	require.NoError(t, err)
	id := group.ConversationID
	var sent []string
	for i := range 6 {
		text := fmt.Sprint(word, " ", i)
		sent = append(sent, text)
		switch i % 3 {
		case 0:
			_, err = alice.Send(ctx, client.Post{ConversationID: id, Content: client.Text(text)})
		case 1:
			_, err = bob.Send(ctx, client.Post{ConversationID: id, Content: client.Text(text)})
		default:
			err = bob.Do(ctx, "POST", "/conversations/"+id.String()+"/messages",
				map[string]any{"client_msg_id": text, "content": client.Text(text)}, nil)
		}
		require.NoError(t, err)
	}
	for _, d := range []*device{alice, bob} {
		eventually.True(t, "all messages arrive in order", func() bool {
			return fmt.Sprint(d.texts(id)) == fmt.Sprint(sent)
		})
	}
	again := connectDevice(t, alice.User(), nodes[len(nodes)-1])
	eventually.True(t, "a new device syncs the history", func() bool { return fmt.Sprint(again.texts(id)) == fmt.Sprint(sent) })
	page, err := bob.Messages(ctx, id, client.Range{})
	require.NoError(t, err)
	require.Len(t, page.Messages, len(sent))
	state, err := bob.MarkRead(ctx, id, page.Messages[len(sent)-1].Seq)
	require.NoError(t, err)
	require.Zero(t, state.UnreadCount)
	require.NoError(t, alice.Block(ctx, bob.User()))
	eventually.True(t, "a search finds all messages", func() bool {
		found := 0
		for _, err := range alice.Search(ctx, client.Query{Text: word}) {
			require.NoError(t, err)
			found++
		}
		return found == len(sent)
	})
}

func newGroup(members ...*device) client.NewGroup {
	g := client.NewGroup{Title: "group"}
	for _, d := range members {
		g.Members = append(g.Members, d.User())
	}
	return g
}

// send sends a text, and returns when it is committed.
func send(t testing.TB, from *device, id client.ConversationID, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), eventually.Deadline)
	defer cancel()
	_, err := from.Send(ctx, client.Post{ConversationID: id, Content: client.Text(text)})
	require.NoError(t, err, text)
}
