package realtime

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"im/test/leaktest"

	"im/domain"
	"im/realtime/hub"
	"im/realtime/presence"
	"im/realtime/realtimetest"
	"im/test/eventually"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// tokens verifies tokens that name their user: "alice", or "alice/scope", with the
// device after a "#". Some names are special.
type tokens struct{ expires time.Time }

func (v tokens) Verify(_ context.Context, raw string) (domain.Identity, error) {
	switch raw {
	case "expired":
		return domain.Identity{}, domain.ErrTokenExpired
	case "forged", "":
		return domain.Identity{}, domain.ErrUnauthenticated.WithMessage("the reason of the verifier")
	case "unverifiable":
		return domain.Identity{}, domain.ErrUnavailable
	}
	raw, device, _ := strings.Cut(raw, "#")
	user, scope, _ := strings.Cut(raw, "/")
	return domain.Identity{User: domain.UserID(user), Device: domain.DeviceID(device), Scope: scope, Expires: domain.TimeOf(v.expires)}, nil
}

// registry is a Registry and a presence.Source in memory.
type registry struct {
	mu          sync.Mutex
	entries     map[domain.SessionID]domain.SessionEntry
	refusal     error // of Register
	unavailable bool  // to Online
	massChanges uint64
}

var (
	_ Registry        = (*registry)(nil)
	_ presence.Source = (*registry)(nil)
)

func (r *registry) ID() domain.NodeID { return "node-1" }

func (r *registry) Register(_ context.Context, e domain.SessionEntry, _ bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refusal == nil {
		r.entries[e.Session] = e
	}
	return r.refusal
}

func (r *registry) Reregister(ctx context.Context, e domain.SessionEntry) {
	_ = r.Register(ctx, e, false)
}

func (r *registry) Unregister(_ context.Context, e domain.SessionEntry) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.entries, e.Session)
	return nil
}

func (r *registry) Online(_ context.Context, _ []domain.UserID) (map[domain.UserID]bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unavailable {
		return nil, domain.ErrUnavailable
	}
	online := make(map[domain.UserID]bool)
	for _, e := range r.entries {
		online[e.User] = online[e.User] || !e.Background
	}
	return online, nil
}

func (r *registry) MassChanges() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.massChanges
}

// massChange changes the registry without an announcement for each user.
func (r *registry) massChange(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
	r.massChanges++
}

func (r *registry) refuse(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusal = err
}

func (r *registry) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.entries)
}

// testServer is a running gateway and hub on an HTTP server, over a store in
// memory. All frames of its sockets are checked against asyncapi.yaml.
type testServer struct {
	t        *testing.T
	store    *realtimetest.Store
	hub      *hub.Hub
	watches  *presence.Watches
	registry *registry
	gateway  *Gateway
	server   *httptest.Server
	checker  *checker
}

// newTestServer starts a server. change may be nil.
func newTestServer(t *testing.T, change func(*GatewayOptions)) *testServer {
	t.Helper()
	return newTestServerWithHub(t, hub.Options{}, change)
}

func newTestServerWithHub(t *testing.T, ho hub.Options, change func(*GatewayOptions)) *testServer {
	t.Helper()
	s := &testServer{
		t: t, store: realtimetest.NewStore(), watches: presence.NewWatches(), checker: newChecker(t),
		registry: &registry{entries: map[domain.SessionID]domain.SessionEntry{}},
	}
	ho.Directory, ho.Log, ho.Presence, ho.Tail = s.store, s.store, s.watches, time.Hour
	s.hub = hub.New(ho)
	s.store.OnCommit(s.hub.Push)
	o := GatewayOptions{
		Hub: s.hub, Authenticator: tokens{time.Now().Add(time.Hour)}, Chat: s.store, Reader: s.store,
		Registry: s.registry, Signaller: s.hub, SignalScopes: s.store, AckEvery: 5 * time.Millisecond,
		Presence: presence.NewLookup(s.registry, s.store), Watches: s.watches,
		LastSeen: presence.NewLastSeen(s.store, s.hub, slog.New(slog.DiscardHandler)),
	}
	if change != nil {
		change(&o)
	}
	s.gateway = NewGateway(o)
	s.server = httptest.NewServer(s.gateway)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.hub.Run(ctx) })
	running.Go(func() { _ = s.gateway.Run(ctx) })
	t.Cleanup(func() {
		s.store.SetUnavailable(false)
		draining, stop := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer stop()
		_ = s.gateway.Drain(draining)
		s.server.Close()
		cancel()
		running.Wait()
	})
	return s
}

func (s *testServer) dial(header http.Header, protocols ...string) (*websocket.Conn, *http.Response, error) {
	d := websocket.Dialer{Subprotocols: protocols, HandshakeTimeout: eventually.Deadline}
	return d.Dial("ws"+strings.TrimPrefix(s.server.URL, "http")+"/v1/ws", header)
}

// open opens a socket without a hello.
func (s *testServer) open() *client {
	ws, response, err := s.dial(nil, subprotocol)
	require.NoError(s.t, err)
	require.Equal(s.t, subprotocol, response.Header.Get("Sec-Websocket-Protocol"))
	s.t.Cleanup(func() { _ = ws.Close() })
	return &client{s.t, ws, s.checker, s.checker.newSentFrames()}
}

// hello opens a socket that is a session.
func (s *testServer) hello(token, device string) *client {
	c := s.open()
	c.hello(token, device)
	return c
}

// client is a client's end of a socket. What it receives must be as described,
// and so must what it sends, unless it is refused.
type client struct {
	t       *testing.T
	ws      *websocket.Conn
	checker *checker
	sent    *sentFrames
}

// answer is a decoded frame.
type answer map[string]any

func (c *client) hello(token, device string) answer {
	c.t.Helper()
	c.send(`{"type":"hello","device_id":"` + device + `","token":"` + token + `"}`)
	return c.expect("welcome")
}

func (c *client) send(text string) {
	c.t.Helper()
	c.sent.add(text)
	require.NoError(c.t, c.ws.WriteMessage(websocket.TextMessage, []byte(text)))
}

func (c *client) receive() (answer, error) {
	_ = c.ws.SetReadDeadline(time.Now().Add(eventually.Deadline))
	_, data, err := c.ws.ReadMessage()
	if err != nil {
		return nil, err
	}
	c.checker.checkServerFrame(data)
	c.sent.removeRefused(data)
	var a answer
	return a, json.Unmarshal(data, &a)
}

func (c *client) expectAny() answer {
	c.t.Helper()
	a, err := c.receive()
	require.NoError(c.t, err)
	return a
}

// expect returns the next frame, which must be of a type.
func (c *client) expect(kind string) answer {
	c.t.Helper()
	a := c.expectAny()
	require.Equal(c.t, kind, a["type"], "%v", a)
	return a
}

// await returns the next frame of a type, and ignores others.
func (c *client) await(kind string) answer {
	c.t.Helper()
	for {
		if a := c.expectAny(); a["type"] == kind {
			return a
		}
	}
}

// expectClose reads until the close frame, which must have the code.
func (c *client) expectClose(code int) {
	c.t.Helper()
	for {
		if _, err := c.receive(); err != nil {
			require.True(c.t, websocket.IsCloseError(err, code), "%d expected: %v", code, err)
			return
		}
	}
}

// expectEnd reads until the close frame, which must have the code. Right before it comes
// an error with another code, the id of a request ("" for none), and a message that
// contains the reason.
func (c *client) expectEnd(closeCode int, code, id, reason string) {
	c.t.Helper()
	var last answer
	for {
		a, err := c.receive()
		if err != nil {
			require.True(c.t, websocket.IsCloseError(err, closeCode), "%d expected: %v", closeCode, err)
			break
		}
		last = a
	}
	require.NotNil(c.t, last, "no frame before the close frame")
	require.Equal(c.t, "error", last["type"], "%v", last)
	require.Equal(c.t, code, last["code"], "%v", last)
	require.Contains(c.t, last["message"], reason)
	if id == "" {
		require.NotContains(c.t, last, "id")
	} else {
		require.Equal(c.t, id, last["id"])
	}
}

// expectError returns the next frame, which must be an error with a code, the id of
// a request ("" for none), and with invalid fields.
func (c *client) expectError(code, id string, fields ...string) answer {
	c.t.Helper()
	a := c.expect("error")
	require.Equal(c.t, code, a["code"], "%v", a)
	if id == "" {
		require.NotContains(c.t, a, "id")
	} else {
		require.Equal(c.t, id, a["id"])
	}
	for _, field := range fields {
		require.Contains(c.t, a["fields"], field, "%v", a)
	}
	return a
}

// expectNothing checks that no frame is on its way.
func (c *client) expectNothing() {
	c.t.Helper()
	c.send(`{"type":"ping"}`)
	c.expect("pong")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
