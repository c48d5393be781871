package realtime

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/realtime/hub"
	"im/test/eventually"
)

// limiter is a RateLimiter that refuses one class to a user or, for "", to the
// address.
type limiter struct {
	mu      sync.Mutex
	refused map[domain.RateClass]domain.UserID
}

var address = netip.MustParsePrefix("192.0.2.1/32")

func (q *limiter) Address(*http.Request) netip.Prefix { return address }

func (q *limiter) Admit(a domain.RateClass, user domain.UserID, from netip.Prefix) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if refused, ok := q.refused[a]; ok && (user == refused || refused == "" && from == address) {
		return domain.ErrRateLimited.WithRetryAfter(1500 * time.Millisecond)
	}
	return nil
}

func (q *limiter) refuse(a domain.RateClass, user domain.UserID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refused = map[domain.RateClass]domain.UserID{a: user}
}

// TestRateLimit: a request beyond a limit is answered by rate_limited with the delay;
// the socket stays open.
func TestRateLimit(t *testing.T) {
	q := &limiter{}
	s := newTestServer(t, func(o *GatewayOptions) { o.RateLimiter = q })
	id := s.store.NewGroup("alice", "bob").String()
	p := s.hello("alice", "1")
	limited := func(frame, request string) {
		t.Helper()
		p.send(frame)
		e := p.expectError("rate_limited", request)
		require.Equal(t, "after", e["retry"])
		require.EqualValues(t, 1500, e["retry_after_ms"])
	}
	send := `{"type":"send","id":"r","client_msg_id":"c","conversation_id":"` + id + `","content":{"type":"text","text":"x"}}`
	pull := `{"type":"pull","id":"r","conversation_id":"` + id + `","after_seq":0}`

	q.refuse(domain.RateSend, "alice")
	limited(send, "r")
	p.send(pull)
	p.expect("page")
	q.refuse(domain.RateRead, "") // by her address
	limited(pull, "r")
	limited(`{"type":"sync","id":"r"}`, "r")
	limited(`{"type":"read","id":"r","conversation_id":"`+id+`","seq":1}`, "r")
	limited(`{"type":"watch","user_ids":["bob"]}`, "")
	q.refuse(domain.RateConnect, "alice")
	limited(`{"type":"hello","device_id":"1","token":"alice"}`, "")
	q.refuse(domain.RateConnect, "other")
	for _, frame := range []string{`{"type":"ping"}`, `{"type":"hello","device_id":"1","token":"alice"}`} {
		p.send(frame)
		p.expect(map[bool]string{true: "pong", false: "welcome"}[frame == `{"type":"ping"}`])
	}
}

// TestRateLimitOfSignals: pings, typing and acknowledgements beyond a limit are
// refused, but refused acknowledgements are recorded all the same.
func TestRateLimitOfSignals(t *testing.T) {
	q := &limiter{}
	s := newTestServer(t, func(o *GatewayOptions) { o.RateLimiter = q })
	id := s.store.NewGroup("alice", "bob")
	p, other := s.hello("alice", "1"), s.hello("bob", "1")
	p.send(`{"type":"typing","conversation_id":"` + id.String() + `"}`)
	other.expect("typing")
	q.refuse(domain.RateSignal, "alice")
	limited := func(frame, request string) {
		t.Helper()
		p.send(frame)
		e := p.expectError("rate_limited", request)
		require.Equal(t, "after", e["retry"])
		require.EqualValues(t, 1500, e["retry_after_ms"])
	}
	limited(`{"type":"ping","id":"p","background":true}`, "p")
	limited(`{"type":"typing","conversation_id":"`+id.String()+`","on":false}`, "")
	limited(`{"type":"ack","acks":{"`+id.String()+`":1}}`, "")
	eventually.True(t, "the acknowledgement is written", func() bool {
		return s.store.HasAcked(domain.Ack{User: "alice", Device: "1", ConversationID: id, Seq: 1})
	})
	pongs := make(chan string, 2)
	p.ws.SetPongHandler(func(data string) error { pongs <- data; return nil })
	ping := func(data string) {
		require.NoError(t, p.ws.WriteControl(websocket.PingMessage, []byte(data), time.Now().Add(eventually.Deadline)))
	}
	ping("refused")
	p.send(`{"type":"pull","id":"r","conversation_id":"` + id.String() + `","after_seq":0}`)
	p.expect("page") // the server has handled the ping before it
	q.refuse(domain.RateSignal, "other")
	ping("accepted")
	p.send(`{"type":"ping","id":"p"}`)
	p.expect("pong")
	require.Equal(t, "accepted", <-pongs)
}

// TestAcksBeyondALimitWriteNothing: acknowledgements beyond the rate limit cause no
// write before its time, and only as many as may wait are kept.
func TestAcksBeyondALimitWriteNothing(t *testing.T) {
	q := &limiter{}
	s := newTestServer(t, func(o *GatewayOptions) { o.RateLimiter, o.AckEvery = q, time.Hour })
	id := s.store.NewGroup("alice").String()
	p := s.hello("alice", "1")
	q.refuse(domain.RateSignal, "alice")
	const each = 1000
	for range maxSessionAcks/each + 1 {
		var acks strings.Builder
		for range each {
			fmt.Fprintf(&acks, `"%s":1,`, domain.NewConversationID(time.Now()))
		}
		p.send(`{"type":"ack","acks":{` + acks.String() + `"` + id + `":1}}`)
		p.expectError("rate_limited", "")
	}
	require.Zero(t, s.store.Acked())
	require.NoError(t, s.gateway.acks.pending.Flush(t.Context()))
	require.Equal(t, maxSessionAcks, s.store.Acked(), "positions kept")
}

// TestRateLimitOfConnects: at the handshake by address, at the hello by user.
func TestRateLimitOfConnects(t *testing.T) {
	q := &limiter{}
	s := newTestServer(t, func(o *GatewayOptions) { o.RateLimiter = q })
	q.refuse(domain.RateConnect, "")
	for _, header := range []http.Header{nil, {"Authorization": {"Bearer alice"}}, {"Authorization": {"Bearer forged"}}} {
		_, response, err := s.dial(header, subprotocol)
		require.Error(t, err)
		require.Equal(t, http.StatusTooManyRequests, response.StatusCode)
		require.Equal(t, "2", response.Header.Get("Retry-After"))
	}
	q.refuse(domain.RateConnect, "alice")
	p := s.open()
	p.send(`{"type":"hello","device_id":"1","token":"alice"}`)
	require.EqualValues(t, 1500, p.expectError("rate_limited", "")["retry_after_ms"])
	p.expectClose(4003)
	s.hello("bob", "1")
}

// TestServerTokensAreNotLimited: requests with a server token pass every rate limit.
func TestServerTokensAreNotLimited(t *testing.T) {
	q := &limiter{}
	k := &socket{g: NewGateway(GatewayOptions{Hub: hub.New(hub.Options{}), RateLimiter: q}), identity: &domain.Identity{User: "x", Server: true}, session: &hub.Session{User: "x"}}
	for a := range domain.RateClass(domain.RateClasses) {
		q.refuse(a, "x")
		require.NoError(t, k.admit(a))
	}
	require.NoError(t, k.admitHello(k.identity))
	k.identity.Server = false
	q.refuse(domain.RateRead, "x")
	require.Error(t, k.admit(domain.RateRead))
}

// TestMaxSockets: a full node refuses a handshake before it upgrades, and takes
// sockets again once one has closed. Handshakes that fail do not count.
func TestMaxSockets(t *testing.T) {
	s := newTestServer(t, func(o *GatewayOptions) { o.MaxSockets = 2 })
	for range 3 {
		response, err := http.Get(s.server.URL + "/v1/ws")
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusBadRequest, response.StatusCode)
		_, response, err = s.dial(http.Header{"Authorization": {"Basic x"}}, subprotocol)
		require.Error(t, err)
		require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	}
	first := s.hello("alice", "1")
	s.open() // a socket without a hello counts, too
	_, response, err := s.dial(nil, subprotocol)
	require.Error(t, err)
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	require.NotEmpty(t, response.Header.Get("Retry-After"))
	require.NoError(t, first.ws.Close())
	eventually.True(t, "another socket is accepted", func() bool {
		ws, response, err := s.dial(nil, subprotocol)
		if err == nil {
			_ = ws.Close()
		}
		return err == nil && response.StatusCode == http.StatusSwitchingProtocols
	})
}

// TestMaxSocketsAtOnce: concurrent handshakes do not exceed the limit.
func TestMaxSocketsAtOnce(t *testing.T) {
	s := newTestServer(t, func(o *GatewayOptions) { o.MaxSockets = 1 })
	var in atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			ws, response, err := s.dial(nil, subprotocol)
			if err != nil {
				assert.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
				return
			}
			in.Add(1)
			t.Cleanup(func() { _ = ws.Close() })
		})
	}
	all.Wait()
	require.EqualValues(t, 1, in.Load())
}

// TestMaxJoins: at most MaxJoins sessions join at once. Further hellos wait, and are
// closed with 4003 if they wait for longer than JoinWait.
func TestMaxJoins(t *testing.T) {
	const maxJoins = 2
	full := func(wait time.Duration) *testServer {
		s := newTestServer(t, func(o *GatewayOptions) { o.MaxJoins, o.JoinWait = maxJoins, wait })
		for range maxJoins {
			s.gateway.joins <- struct{}{}
		}
		return s
	}
	late := full(300 * time.Millisecond).open()
	late.send(`{"type":"hello","device_id":"1","token":"alice"}`)
	late.expectClose(4003)
	s := full(eventually.Deadline)
	patient := s.open()
	patient.send(`{"type":"hello","device_id":"2","token":"alice"}`)
	<-s.gateway.joins
	patient.expect("welcome")
	eventually.True(t, "the join ends", func() bool { return len(s.gateway.joins) == 1 })
	<-s.gateway.joins
}

// late is a Chat that passes on done and does not call it.
type late struct{ done chan func(domain.Sent, error) }

func (l late) Send(_ context.Context, _ domain.Actor, _ domain.Post, done func(domain.Sent, error)) {
	l.done <- done
}

// TestLateLog: if the log is late, a send is answered in time by unavailable. What
// the log answers later is not sent.
func TestLateLog(t *testing.T) {
	l := late{make(chan func(domain.Sent, error), 1)}
	s := newTestServer(t, func(o *GatewayOptions) { o.Chat, o.Request = l, time.Second })
	p := s.hello("alice", "1")
	p.send(`{"type":"send","id":"r","client_msg_id":"c","to":"bob","content":{"type":"text","text":"x"}}`)
	p.expectError("unavailable", "r")
	(<-l.done)(domain.Sent{}, domain.ErrNotFound)
	p.send(`{"type":"ping","id":"p"}`)
	require.Equal(t, "p", p.expect("pong")["id"])
}
