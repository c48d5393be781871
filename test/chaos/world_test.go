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
	"im/test/proxytest"
)

const (
	secret   = "a secret of the tests, 32 bytes long or more"
	patience = time.Minute // the machine may be busy
)

var databases atomic.Int64

// world is a cluster with a database and a prefix of its own.
type world struct {
	t        *testing.T
	database string
	prefix   string
	nodes    []*node
}

// node is a place for a process of im serve: an address, and proxies before all
// that it depends on.
type node struct {
	t       *testing.T
	name    string
	addr    string
	env     []string
	log     lockedBuffer
	process *process

	postgres, redis, rabbit *proxytest.Proxy
}

// newWorld starts a cluster of n nodes.
func newWorld(t *testing.T, n int) *world {
	t.Helper()
	w := &world{t: t, database: fmt.Sprint("im_", databases.Add(1)), prefix: "chaos-" + uuid.NewString()[:8]}
	for i := range n {
		w.nodes = append(w.nodes, w.place(fmt.Sprint("node", i)))
	}
	w.nodes[0].start() // makes the database
	for _, n := range w.nodes[1:] {
		n.start()
	}
	t.Cleanup(w.dispose)
	return w
}

func (w *world) place(name string) *node {
	port, err := freeport.Port()
	require.NoError(w.t, err)
	n := &node{t: w.t, name: name, addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	n.postgres = proxytest.New(w.t, shared.postgres.socket())
	n.redis = proxytest.New(w.t, shared.redis.addr())
	n.rabbit = proxytest.New(w.t, shared.rabbit.addr())
	n.env = append(os.Environ(),
		"IM_DATABASE_URL=postgres://postgres@"+n.postgres.Addr()+"/"+w.database+"?sslmode=disable",
		"IM_REDIS_URL=redis://"+n.redis.Addr()+"/0", "IM_AMQP_URL=amqp://guest:guest@"+n.rabbit.Addr()+"/",
		"IM_PREFIX="+w.prefix, "IM_JWT_SECRET="+secret, "IM_ADDR="+n.addr, "IM_NODE_NAME="+name, "IM_START_TIMEOUT=60s")
	w.t.Cleanup(n.dispose)
	return n
}

// dispose drops what tests have in common services, so that they do not disturb
// one another's time.
func (w *world) dispose() {
	for _, n := range w.nodes {
		n.dispose()
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if db, err := pgx.Connect(ctx, shared.postgres.url("postgres")); err == nil {
		_, _ = db.Exec(ctx, "DROP DATABASE IF EXISTS "+w.database+" WITH (FORCE)")
		_ = db.Close(ctx)
	}
}

// retarget follows a PostgreSQL that was started anew.
func (w *world) retarget() {
	for _, n := range w.nodes {
		n.postgres.Retarget(shared.postgres.socket())
	}
}

// each does the same to a part of every node.
func (w *world) each(do func(n *node)) func() {
	return func() {
		for _, n := range w.nodes {
			do(n)
		}
	}
}

func (w *world) urls() []string {
	urls := make([]string, len(w.nodes))
	for i, n := range w.nodes {
		urls[i] = n.url()
	}
	return urls
}

// sql runs a statement in the cluster's database, past the proxies.
func (w *world) sql(statement string, args ...any) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	db, err := pgx.Connect(ctx, shared.postgres.url(w.database))
	require.NoError(w.t, err)
	defer func() { _ = db.Close(ctx) }()
	_, err = db.Exec(ctx, statement, args...)
	require.NoError(w.t, err)
}

// count is the number that a query answers.
func (w *world) count(query string, args ...any) (n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	db, err := pgx.Connect(ctx, shared.postgres.url(w.database))
	require.NoError(w.t, err)
	defer func() { _ = db.Close(ctx) }()
	require.NoError(w.t, db.QueryRow(ctx, query, args...).Scan(&n))
	return n
}

// quietly is count for when the server may not answer: then it is negative.
func (w *world) quietly(query string) float64 {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	db, err := pgx.Connect(ctx, shared.postgres.url(w.database))
	if err != nil {
		return -1
	}
	defer func() { _ = db.Close(ctx) }()
	var n float64
	err = db.QueryRow(ctx, query).Scan(&n)
	return orNegative(n, err)
}

func (w *world) cache() *redis.Client {
	client := redis.NewClient(&redis.Options{Addr: shared.redis.addr()})
	w.t.Cleanup(func() { _ = client.Close() })
	return client
}

func (n *node) url() string { return "http://" + n.addr }

// start runs the node and waits until it is ready.
func (n *node) start() {
	n.t.Helper()
	n.launch()
	require.Eventually(n.t, n.ready, patience, 10*time.Millisecond, "%s is not ready:\n%s", n.name, &n.log)
}

func (n *node) launch() {
	n.t.Helper()
	cmd := exec.Command(shared.binary, "serve")
	cmd.Env, cmd.Stdout, cmd.Stderr = n.env, &n.log, &n.log
	p, err := start(cmd)
	require.NoError(n.t, err)
	n.process = p
}

// ready tells whether the node reaches everything.
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

// stop is what an operator does; the node must end well.
func (n *node) stop() {
	n.t.Helper()
	require.NoError(n.t, n.process.end(syscall.SIGTERM, 40*time.Second), "%s", &n.log)
	require.NoError(n.t, n.process.err, "%s", &n.log)
}

// dispose ends the node, which must not have panicked.
func (n *node) dispose() {
	if n.process == nil {
		return
	}
	n.signal(syscall.SIGCONT)
	_ = n.process.end(syscall.SIGKILL, patience)
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

// lockedBuffer gathers the end of the output of a process.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

const logLimit = 1 << 20

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
