package environments

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/client"
	"im/internal/auth"
	"im/test/amqptest"
	"im/test/eventually"
	"im/test/improcess"
	"im/test/pgtest"
	"im/test/redistest"
)

const secret = "a secret of the tests, 32 bytes long or more"

// nodePair is two nodes with a database of their own. Alice is connected to the first
// and bob to the second, and they share a conversation.
type nodePair struct {
	t          *testing.T
	prefix     string
	one, two   *improcess.Process
	alice, bob *client.Client
	id         client.ConversationID
	toBob      chan client.Signal
	bobHas     chan client.Event
	sent       int
}

// startNodes starts the nodes of a pair, without waiting until they are ready. Env
// replaces the shared Redis and RabbitMQ.
func startNodes(t *testing.T, env ...string) *nodePair {
	t.Helper()
	p := &nodePair{t: t, prefix: redistest.NewPrefix(), toBob: make(chan client.Signal, 1000), bobHas: make(chan client.Event, 1000)}
	env = append([]string{
		"IM_DATABASE_URL=" + pgtest.New(t), "IM_REDIS_URL=" + redistest.URL(), "IM_AMQP_URL=" + amqptest.URL(), "IM_PREFIX=" + p.prefix,
		"IM_JWT_SECRET=" + secret, "IM_LOG_LEVEL=debug",
	}, env...)
	p.one = improcess.Serve(t, binary, append(env, "IM_NODE_NAME=one")...)
	p.two = improcess.Serve(t, binary, append(env, "IM_NODE_NAME=two")...)
	return p
}

// startNodePair starts a pair and waits until it is ready.
func startNodePair(t *testing.T, env ...string) *nodePair {
	t.Helper()
	p := startNodes(t, env...)
	p.one.AwaitReady()
	p.two.AwaitReady()
	p.connect()
	return p
}

// connect connects the users.
func (p *nodePair) connect() {
	p.t.Helper()
	p.alice = p.startClient(p.one, client.Options{}, "alice")
	p.bob = p.startClient(p.two, client.Options{
		OnSignal: func(_ context.Context, _ *client.Client, s client.Signal) { p.toBob <- s },
		OnEvent: func(_ context.Context, _ *client.Client, e client.Event) error {
			p.bobHas <- e
			return nil
		},
	}, "bob")
	group, err := p.alice.CreateGroup(p.t.Context(), client.NewGroup{Title: "T", Members: []client.UserID{"bob"}})
	require.NoError(p.t, err)
	p.id = group.ConversationID
	p.awaitEvent(1)
}

func (p *nodePair) startClient(node *improcess.Process, o client.Options, user client.UserID) *client.Client {
	p.t.Helper()
	o.URLs, o.Token = []string{node.URL}, client.Token(token(p.t, user, false))
	c, err := client.New(o)
	require.NoError(p.t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	p.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			p.t.Log(user, err)
		}
	})
	synced, cancel := context.WithTimeout(p.t.Context(), eventually.Deadline)
	defer cancel()
	require.NoError(p.t, c.Synced(synced))
	return c
}

func token(t *testing.T, user client.UserID, server bool) string {
	t.Helper()
	signed, err := auth.Sign(secret, user, auth.Grant{TTL: time.Hour, Server: server})
	require.NoError(t, err)
	return signed
}

// send sends a message from alice and returns its seq.
func (p *nodePair) send() int64 {
	p.t.Helper()
	sent, err := p.alice.Send(p.t.Context(), client.Post{ConversationID: p.id, Content: client.Text("hello")})
	require.NoError(p.t, err)
	return sent.Seq
}

func (p *nodePair) awaitEvent(seq int64) {
	p.t.Helper()
	timeout := time.After(eventually.Deadline)
	for {
		select {
		case e := <-p.bobHas:
			if e.Seq >= seq {
				return
			}
		case <-timeout:
			p.t.Fatalf("event %d has not come to bob", seq)
		}
	}
}

// Log lines of a node at level debug, about RabbitMQ.
const (
	sentToNode  = `msg="sent to another node"`
	sentToAll   = `msg="sent to all nodes"`
	fromAnother = `msg="received from another node"`
)

// requireFastPath requires that messages, signals and notices come to bob by RabbitMQ:
// to his node alone, and to all nodes. The tail of the log brings messages only, and
// what it brings is not in the log as received from another node.
func (p *nodePair) requireFastPath() {
	p.t.Helper()
	eventually.True(p.t, "messages come from the other node by RabbitMQ, which sent them to that node alone", func() bool {
		sent, received := p.one.Count(sentToNode), p.two.Count(fromAnother)
		p.awaitEvent(p.send())
		return p.one.Count(sentToNode) > sent && p.two.Count(fromAnother) > received
	})
	eventually.True(p.t, "what goes to all nodes arrives", func() bool { return p.signalled(p.setTyping, isTyping) })
	eventually.True(p.t, "what goes to one user arrives", func() bool { return p.signalled(p.notify, isNotice) })
}

// requireTail requires that RabbitMQ brings nothing to bob, and that messages
// come within 2 s all the same.
func (p *nodePair) requireTail() {
	p.t.Helper()
	p.drain()
	for range 3 {
		began := time.Now()
		p.awaitEvent(p.send())
		require.Less(p.t, time.Since(began), tailLimit, "a message by the tail of the log")
	}
	for range 2 { // on and off
		require.False(p.t, p.signalled(p.setTyping, isTyping), "RabbitMQ brings typing signals")
	}
}

// tailLimit is 2 s, and what a busy machine takes longer.
const tailLimit = 5 * time.Second

func isTyping(s client.Signal) bool { _, ok := s.(client.Typing); return ok }
func isNotice(s client.Signal) bool { _, ok := s.(client.Notice); return ok }

func (p *nodePair) drain() {
	for {
		select {
		case <-p.toBob:
		default:
			return
		}
	}
}

// signalled reports whether a signal that cause sends comes to bob.
func (p *nodePair) signalled(cause func(), wanted func(client.Signal) bool) bool {
	p.t.Helper()
	p.drain()
	cause()
	timeout := time.After(time.Second)
	for {
		select {
		case s := <-p.toBob:
			if wanted(s) {
				return true
			}
		case <-timeout:
			return false
		}
	}
}

// setTyping lets alice type, which goes to all nodes.
func (p *nodePair) setTyping() {
	p.t.Helper()
	p.sent++
	require.NoError(p.t, p.alice.SetTyping(p.t.Context(), p.id, p.sent%2 == 0))
}

// notify sends bob a notice, at the node of alice.
func (p *nodePair) notify() {
	p.t.Helper()
	status, answer := call(p.t, p.one, http.MethodPost, "/v1/users/bob/notices", map[string]any{"biz_type": "test", "data": 1})
	require.Equal(p.t, http.StatusOK, status, "%v", answer)
}

// call makes a REST call as a backend.
func call(t *testing.T, node *improcess.Process, method, path string, body any) (status int, answer map[string]any) {
	t.Helper()
	data, err := json.Marshal(body)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), method, node.URL+path, bytes.NewReader(data))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token(t, "backend", true))
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
	return resp.StatusCode, answer
}

// readiness is the answer of /readyz.
type readiness struct {
	Status  string            `json:"status"`
	Checks  map[string]string `json:"checks"`
	Reasons map[string]string `json:"reasons"`
}

func ready(t *testing.T, node *improcess.Process) (r readiness) {
	t.Helper()
	resp, err := http.Get(node.URL + "/readyz")
	if err != nil {
		return readiness{Status: err.Error()}
	}
	defer func() { _ = resp.Body.Close() }()
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&r))
	return r
}

// awaitDegraded waits until a node serves without a dependency and says why, in
// /readyz and in its log.
func awaitDegraded(t *testing.T, node *improcess.Process, dependency, reason string) {
	t.Helper()
	var r readiness
	eventually.True(t, "the node is degraded, and says why", func() bool {
		r = ready(t, node)
		return r.Status == "degraded" && strings.Contains(r.Reasons[dependency], reason)
	})
	require.Equal(t, "failed", r.Checks[dependency])
	eventually.True(t, "the log says why", func() bool { return strings.Contains(node.Output(), reason) })
}
