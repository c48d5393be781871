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
)

// quota is a Pace that refuses an activity of a user, or of an address ("").
type quota struct {
	mu      sync.Mutex
	refused map[domain.RateClass]domain.UserID
	asked   map[domain.RateClass]int
}

var home = netip.MustParsePrefix("192.0.2.1/32")

func (q *quota) Address(*http.Request) netip.Prefix { return home }

func (q *quota) Admit(a domain.RateClass, user domain.UserID, from netip.Prefix) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.asked == nil {
		q.asked = map[domain.RateClass]int{}
	}
	q.asked[a]++
	if who, refused := q.refused[a]; refused && (user == who || who == "" && from == home) {
		return domain.ErrRateLimited.WithRetryAfter(1500 * time.Millisecond)
	}
	return nil
}

func (q *quota) refuse(a domain.RateClass, who domain.UserID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refused = map[domain.RateClass]domain.UserID{a: who}
}

// TestPace: what is beyond a limit is answered by rate_limited and the delay;
// the socket stays.
func TestPace(t *testing.T) {
	q := &quota{}
	s := newSite(t, func(o *GatewayOptions) { o.Pace = q })
	id := s.w.create("alice", "bob").String()
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
	q.refuse(domain.RateRead, "") // at her address
	limited(pull, "r")
	limited(`{"type":"sync","id":"r"}`, "r")
	limited(`{"type":"read","id":"r","conversation_id":"`+id+`","seq":1}`, "r")
	limited(`{"type":"watch","user_ids":["bob"]}`, "")
	q.refuse(domain.RateConnect, "alice")
	limited(`{"type":"hello","device_id":"1","token":"alice"}`, "")
	q.refuse(domain.RateConnect, "nobody")
	for _, frame := range []string{`{"type":"ping"}`, `{"type":"hello","device_id":"1","token":"alice"}`} {
		p.send(frame)
		p.expect(map[bool]string{true: "pong", false: "welcome"}[frame == `{"type":"ping"}`])
	}
}

// TestPaceOfSignals: pings, typing and acknowledgements beyond a limit are told so,
// and what was acknowledged counts all the same.
func TestPaceOfSignals(t *testing.T) {
	q := &quota{}
	s := newSite(t, func(o *GatewayOptions) { o.Pace = q })
	id := s.w.create("alice", "bob")
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
	s.eventually(func() bool {
		return s.w.hasAcked(domain.Ack{User: "alice", Device: "1", ConversationID: id, Seq: 1})
	})
	pongs := make(chan string, 2)
	p.ws.SetPongHandler(func(data string) error { pongs <- data; return nil })
	ping := func(data string) {
		require.NoError(t, p.ws.WriteControl(websocket.PingMessage, []byte(data), time.Now().Add(patience)))
	}
	ping("refused")
	p.send(`{"type":"pull","id":"r","conversation_id":"` + id.String() + `","after_seq":0}`)
	p.expect("page") // what came before it has been seen to
	q.refuse(domain.RateSignal, "nobody")
	ping("taken")
	p.send(`{"type":"ping","id":"p"}`)
	p.expect("pong")
	require.Equal(t, "taken", <-pongs)
}

// TestAcksBeyondALimitWriteNothing: however many conversations they name, nothing is
// written before it is time, and no more is kept than may wait.
func TestAcksBeyondALimitWriteNothing(t *testing.T) {
	q := &quota{}
	s := newSite(t, func(o *GatewayOptions) { o.Pace, o.AckDelay = q, time.Hour })
	id := s.w.create("alice").String()
	p := s.hello("alice", "1")
	q.refuse(domain.RateSignal, "alice")
	const each = 1000
	for range ackConversations/each + 1 {
		var acks strings.Builder
		for range each {
			fmt.Fprintf(&acks, `"%s":1,`, domain.NewConversationID(time.Now()))
		}
		p.send(`{"type":"ack","acks":{` + acks.String() + `"` + id + `":1}}`)
		p.expectError("rate_limited", "")
	}
	require.Equal(t, ackConversations, len(s.gateway.acks.takeAll()), "positions kept")
}

// TestPaceOfConnects: at the handshake by address, at the hello by user.
func TestPaceOfConnects(t *testing.T) {
	q := &quota{}
	s := newSite(t, func(o *GatewayOptions) { o.Pace = q })
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

// TestPaceOfBackends: who has a server token is not limited.
func TestPaceOfBackends(t *testing.T) {
	q := &quota{}
	k := &socket{g: NewGateway(GatewayOptions{Hub: NewHub(HubOptions{}), Pace: q}), identity: &domain.Identity{User: "x", Server: true}, session: &session{user: "x"}}
	for a := range domain.RateClass(domain.RateClasses) {
		q.refuse(a, "x")
		require.NoError(t, k.admits(a))
	}
	require.NoError(t, k.admitHello(k.identity))
	k.identity.Server = false
	q.refuse(domain.RateRead, "x")
	require.Error(t, k.admits(domain.RateRead))
}

// TestMaxSockets: a node that is full says so before anything is upgraded, and
// takes sockets again as soon as one has gone. Handshakes that fail take no place.
func TestMaxSockets(t *testing.T) {
	s := newSite(t, func(o *GatewayOptions) { o.MaxSockets = 2 })
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
	s.open() // one without a hello takes a place, too
	_, response, err := s.dial(nil, subprotocol)
	require.Error(t, err)
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	require.NotEmpty(t, response.Header.Get("Retry-After"))
	require.NoError(t, first.ws.Close())
	require.Eventually(t, func() bool {
		ws, response, err := s.dial(nil, subprotocol)
		if err == nil {
			_ = ws.Close()
		}
		return err == nil && response.StatusCode == http.StatusSwitchingProtocols
	}, patience, 10*time.Millisecond)
}

// TestMaxSocketsAtOnce: nor are there more when many come at once.
func TestMaxSocketsAtOnce(t *testing.T) {
	s := newSite(t, func(o *GatewayOptions) { o.MaxSockets = 1 })
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

// TestJoinsTakeTurns: so many hellos become sessions at once; the rest waits,
// and who waits for too long is told to come again.
func TestJoinsTakeTurns(t *testing.T) {
	const all = 2
	full := func(crowd time.Duration) *site {
		s := newSite(t, func(o *GatewayOptions) { o.Joins, o.Crowd = all, crowd })
		for range all {
			s.gateway.joins.turns <- struct{}{}
		}
		return s
	}
	late := full(300 * time.Millisecond).open()
	late.send(`{"type":"hello","device_id":"1","token":"alice"}`)
	late.expectClose(4003)
	s := full(patience)
	patient := s.open()
	patient.send(`{"type":"hello","device_id":"2","token":"alice"}`)
	<-s.gateway.joins.turns
	patient.expect("welcome")
	require.Eventually(t, func() bool { return len(s.gateway.joins.turns) == 1 }, patience, time.Millisecond, "the turn is over")
	<-s.gateway.joins.turns
}

// late is a Chat that decides when it is told to.
type late struct{ done chan func(domain.Sent, error) }

func (l late) Send(_ context.Context, _ domain.Actor, _ domain.Post, done func(domain.Sent, error)) {
	l.done <- done
}

// TestLateLog: a send is answered in time by unavailable, whatever the log does,
// and what the log says later is said to nobody.
func TestLateLog(t *testing.T) {
	l := late{make(chan func(domain.Sent, error), 1)}
	s := newSite(t, func(o *GatewayOptions) { o.Chat, o.Request = l, time.Second })
	p := s.hello("alice", "1")
	p.send(`{"type":"send","id":"r","client_msg_id":"c","to":"bob","content":{"type":"text","text":"x"}}`)
	p.expectError("unavailable", "r")
	(<-l.done)(domain.Sent{}, domain.ErrNotFound)
	p.send(`{"type":"ping","id":"p"}`)
	require.Equal(t, "p", p.expect("pong")["id"])
}
