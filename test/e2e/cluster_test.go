package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/auth"
	"im/test/improcess"
	"im/test/pgtest"
	"im/test/proxytest"
)

const secret = "a secret of the tests, 32 bytes long or more"

// binary is the path of im. It is built once, with -race if the tests run with it.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "im-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var flags []string
	if raceEnabled {
		flags = append(flags, "-race")
	}
	if binary, err = improcess.Build(dir, flags...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// cluster is what the nodes of a test share: a database, and a prefix in Redis and
// RabbitMQ. Nodes reach each service through a proxy, which a test can cut.
type cluster struct {
	t           testing.TB
	prefix      string
	database    string // URL without the proxy
	postgres    *proxytest.Proxy
	redis       *proxytest.Proxy
	amqp        *proxytest.Proxy
	env         []string
	redisClient *redis.Client // connects without the proxy
}

// newCluster creates a cluster without nodes. The test runs in parallel with others. env
// is set for all nodes.
func newCluster(t testing.TB, env ...string) *cluster {
	t.Helper()
	if t, ok := t.(*testing.T); ok {
		t.Parallel()
	}
	return newSequentialCluster(t, env...)
}

// newSequentialCluster is newCluster for a test that loads the whole machine. No other
// test runs at the same time.
func newSequentialCluster(t testing.TB, env ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, prefix: "e2e-" + uuid.NewString()[:8]}
	c.database = pgtest.New(t)
	database, viaPostgres := proxytest.Before(t, c.database)
	redisURL := envOr("IM_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
	cache, viaRedis := proxytest.Before(t, redisURL)
	broker, viaAMQP := proxytest.Before(t, envOr("IM_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/"))
	c.postgres, c.redis, c.amqp = viaPostgres, viaRedis, viaAMQP
	c.env = append([]string{
		"IM_DATABASE_URL=" + database, "IM_REDIS_URL=" + cache, "IM_AMQP_URL=" + broker,
		"IM_PREFIX=" + c.prefix, "IM_JWT_SECRET=" + secret,
	}, env...)
	options, err := redis.ParseURL(redisURL)
	require.NoError(t, err)
	c.redisClient = redis.NewClient(options)
	t.Cleanup(func() {
		c.flushRegistry()
		_ = c.redisClient.Close()
	})
	return c
}

func envOr(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

// keys returns all keys of the cluster in Redis.
func (c *cluster) keys() []string {
	keys, err := c.redisClient.Keys(context.Background(), c.prefix+"*").Result()
	require.NoError(c.t, err)
	return keys
}

// flushRegistry deletes all keys of the cluster in Redis.
func (c *cluster) flushRegistry() {
	if keys := c.keys(); len(keys) > 0 {
		require.NoError(c.t, c.redisClient.Del(context.Background(), keys...).Err())
	}
}

// registered reports whether Redis has sessions of a user.
func (c *cluster) registered(user domain.UserID) bool {
	for _, key := range c.keys() {
		if strings.HasSuffix(key, ":"+string(user)) {
			return true
		}
	}
	return false
}

// testNode is one process of im serve.
type testNode struct {
	*improcess.Process
	t testing.TB
}

// node starts a node and waits until it is ready. env is set in addition to that of the
// cluster.
func (c *cluster) node(name string, env ...string) *testNode {
	c.t.Helper()
	env = append(append(slices.Clone(c.env), "IM_NODE_NAME="+name, "IM_LOG_FORMAT=json"), env...)
	n := &testNode{Process: improcess.Serve(c.t, binary, env...), t: c.t}
	n.AwaitReady()
	return n
}

// call makes a REST call as a user and returns the status and the body of the answer.
func (n *testNode) call(user domain.UserID, method, path string, body any) (int, []byte) {
	n.t.Helper()
	return n.callWith(userToken(n.t, user), method, path, body)
}

// callWith is call with a token.
func (n *testNode) callWith(bearer, method, path string, body any) (int, []byte) {
	n.t.Helper()
	var data []byte
	if body != nil {
		var err error
		data, err = json.Marshal(body)
		require.NoError(n.t, err)
	}
	return n.do(bearer, method, path, data)
}

// callText is call with a body that is not encoded.
func (n *testNode) callText(user domain.UserID, method, path, body string) (int, []byte) {
	n.t.Helper()
	return n.do(userToken(n.t, user), method, path, []byte(body))
}

func (n *testNode) do(bearer, method, path string, body []byte) (int, []byte) {
	n.t.Helper()
	req, err := http.NewRequest(method, n.URL+path, bytes.NewReader(body))
	require.NoError(n.t, err)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(n.t, err)
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(n.t, err)
	return resp.StatusCode, answer
}

// create creates a conversation.
func (n *testNode) create(user domain.UserID, fields map[string]any) domain.ConversationID {
	n.t.Helper()
	status, body := n.call(user, "POST", "/v1/conversations", fields)
	require.Contains(n.t, []int{http.StatusOK, http.StatusCreated}, status, "%s", body)
	return decode[domain.ConversationView](n.t, body).ConversationID
}

// direct creates or finds the direct conversation of two users.
func (n *testNode) direct(user, other domain.UserID) domain.ConversationID {
	n.t.Helper()
	return n.create(user, map[string]any{"kind": "direct", "members": []domain.UserID{other}})
}

// group creates a group. user becomes the owner.
func (n *testNode) group(user domain.UserID, others ...domain.UserID) domain.ConversationID {
	n.t.Helper()
	return n.create(user, map[string]any{"kind": "group", "members": others})
}

func (n *testNode) add(user domain.UserID, id domain.ConversationID, added domain.UserID) {
	n.t.Helper()
	status, body := n.call(user, "PUT", memberPath(id, added), map[string]any{"role": "member"})
	require.Equal(n.t, http.StatusCreated, status, "%s", body)
}

func (n *testNode) remove(user domain.UserID, id domain.ConversationID, removed domain.UserID) {
	n.t.Helper()
	status, body := n.call(user, "DELETE", memberPath(id, removed), nil)
	require.Equal(n.t, http.StatusOK, status, "%s", body)
}

// memberPath returns the path of a member.
func memberPath(id domain.ConversationID, user domain.UserID) string {
	return "/v1/conversations/" + id.String() + "/members/" + string(user)
}

func userToken(t testing.TB, user domain.UserID) string {
	t.Helper()
	raw, err := auth.Sign(secret, user, auth.Grant{TTL: time.Hour})
	require.NoError(t, err)
	return raw
}

func decode[T any](t testing.TB, data []byte) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal(data, &v), "%s", data)
	return v
}
