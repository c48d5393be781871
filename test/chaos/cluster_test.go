package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/auth"
	"im/internal/freeport"
	"im/test/eventually"
	"im/test/proxytest"
)

const (
	secret = "a secret of the tests, 32 bytes long or more"
	// waitTimeout bounds waits for what takes milliseconds on an idle machine.
	waitTimeout = time.Minute
)

var databases atomic.Int64

// cluster is a set of nodes with their own database and their own prefix in Redis and
// RabbitMQ.
type cluster struct {
	t        *testing.T
	database string
	prefix   string
	nodes    []*node
}

// node is a node of the cluster: an address, proxies before each service that it uses,
// and the process of im serve while it runs.
type node struct {
	t       *testing.T
	name    string
	addr    string
	env     []string
	log     lockedBuffer
	process *process // nil before launch and after cleanUp

	postgres, redis, rabbit *proxytest.Proxy
}

// newCluster starts a cluster of n nodes.
func newCluster(t *testing.T, n int) *cluster {
	t.Helper()
	c := &cluster{t: t, database: fmt.Sprint("im_", databases.Add(1)), prefix: "chaos-" + uuid.NewString()[:8]}
	for i := range n {
		c.nodes = append(c.nodes, c.newNode(fmt.Sprint("node", i)))
	}
	c.nodes[0].start() // creates the database
	for _, n := range c.nodes[1:] {
		n.start()
	}
	t.Cleanup(c.cleanUp)
	return c
}

func (c *cluster) newNode(name string) *node {
	port, err := freeport.Port()
	require.NoError(c.t, err)
	n := &node{t: c.t, name: name, addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	n.postgres = proxytest.New(c.t, shared.postgres.socket())
	n.redis = proxytest.New(c.t, shared.redis.addr())
	n.rabbit = proxytest.New(c.t, shared.rabbit.addr())
	n.env = append(os.Environ(),
		"IM_DATABASE_URL=postgres://postgres@"+n.postgres.Addr()+"/"+c.database+"?sslmode=disable",
		"IM_REDIS_URL=redis://"+n.redis.Addr()+"/0", "IM_AMQP_URL=amqp://guest:guest@"+n.rabbit.Addr()+"/",
		"IM_PREFIX="+c.prefix, "IM_JWT_SECRET="+secret, "IM_ADDR="+n.addr, "IM_NODE_NAME="+name, "IM_START_TIMEOUT=60s", "IM_CREATE_DATABASE=true",
		"IM_WEBHOOK_ALLOW=127.0.0.0/8", "IM_WEBHOOK_RETRIES="+strings.TrimSuffix(strings.Repeat("1s,", 120), ","))
	c.t.Cleanup(n.cleanUp)
	return n
}

// cleanUp ends the nodes and drops the database, so that this test does not slow down
// the next one.
func (c *cluster) cleanUp() {
	for _, n := range c.nodes {
		n.cleanUp()
	}
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	defer cancel()
	if db, err := pgx.Connect(ctx, shared.postgres.url("postgres")); err == nil {
		_, _ = db.Exec(ctx, "DROP DATABASE IF EXISTS "+c.database+" WITH (FORCE)")
		_ = db.Close(ctx)
	}
}

// retargetPostgres points the proxies to the current PostgreSQL server.
func (c *cluster) retargetPostgres() {
	for _, n := range c.nodes {
		n.postgres.Retarget(shared.postgres.socket())
	}
}

// each returns a function that calls do for every node.
func (c *cluster) each(do func(n *node)) func() {
	return func() {
		for _, n := range c.nodes {
			do(n)
		}
	}
}

func (c *cluster) urls() []string {
	urls := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		urls[i] = n.url()
	}
	return urls
}

// sql runs a statement in the cluster's database. It does not use the proxies.
func (c *cluster) sql(statement string, args ...any) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	defer cancel()
	db, err := pgx.Connect(ctx, shared.postgres.url(c.database))
	require.NoError(c.t, err)
	defer func() { _ = db.Close(ctx) }()
	_, err = db.Exec(ctx, statement, args...)
	require.NoError(c.t, err)
}

// count returns the number that a query returns.
func (c *cluster) count(query string, args ...any) (n int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	defer cancel()
	db, err := pgx.Connect(ctx, shared.postgres.url(c.database))
	require.NoError(c.t, err)
	defer func() { _ = db.Close(ctx) }()
	require.NoError(c.t, db.QueryRow(ctx, query, args...).Scan(&n))
	return n
}

// numberOrNegative is like count, but returns -1 if the server does not answer in 2 s.
func (c *cluster) numberOrNegative(query string) float64 {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	db, err := pgx.Connect(ctx, shared.postgres.url(c.database))
	if err != nil {
		return -1
	}
	defer func() { _ = db.Close(ctx) }()
	var n float64
	err = db.QueryRow(ctx, query).Scan(&n)
	return valueOrNegative(n, err)
}

func (c *cluster) redisClient() *redis.Client {
	client := redis.NewClient(&redis.Options{Addr: shared.redis.addr()})
	c.t.Cleanup(func() { _ = client.Close() })
	return client
}

func (n *node) url() string { return "http://" + n.addr }

// start launches the node and waits until it is ready.
func (n *node) start() {
	n.t.Helper()
	n.launch()
	eventually.True(n.t, n.name+" is ready", n.ready)
}

// launch starts the process and does not wait.
func (n *node) launch() {
	n.t.Helper()
	cmd := exec.Command(shared.binary, "serve")
	cmd.Env, cmd.Stdout, cmd.Stderr = n.env, &n.log, &n.log
	p, err := start(cmd)
	require.NoError(n.t, err)
	n.process = p
}

// ready reports whether the node reaches all of its services.
func (n *node) ready() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url()+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	var state struct{ Status string }
	return json.NewDecoder(resp.Body).Decode(&state) == nil && state.Status == "ready"
}

func (n *node) signal(s syscall.Signal) { n.process.signal(s) }

func (n *node) kill() {
	n.signal(syscall.SIGKILL)
	<-n.process.done
}

// stop ends the node with SIGTERM. It must exit with 0.
func (n *node) stop() {
	n.t.Helper()
	require.NoError(n.t, n.process.end(syscall.SIGTERM, 40*time.Second), "%s", &n.log)
	require.NoError(n.t, n.process.err, "%s", &n.log)
}

// cleanUp kills the node if it runs, and fails the test if it has panicked.
func (n *node) cleanUp() {
	if n.process == nil {
		return
	}
	n.signal(syscall.SIGCONT)
	_ = n.process.end(syscall.SIGKILL, waitTimeout)
	log := n.log.String()
	for _, bad := range []string{"panic:", "fatal error:"} {
		if strings.Contains(log, bad) {
			n.t.Errorf("%s in the log of %s:\n%s", bad, n.name, log)
		}
	}
	if n.t.Failed() {
		n.t.Logf("log of %s:\n%s", n.name, log)
	}
	n.process = nil
}

func sign(user string, server bool) (string, error) {
	return auth.Sign(secret, domain.UserID(user), auth.Grant{TTL: 6 * time.Hour, Server: server})
}

// lockedBuffer keeps the last part of the output of a process.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

const logLimit = 1 << 20 // bytes

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.b.Len() > logLimit {
		b.b.Next(logLimit / 2)
	}
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
