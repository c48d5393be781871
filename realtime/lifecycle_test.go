package realtime

import (
	"bytes"
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/realtime/hub"
	"im/test/eventually"
)

func TestClose(t *testing.T) {
	t.Run("4001 too slow", func(t *testing.T) {
		s := newTestServer(t, func(o *GatewayOptions) { o.WriteTimeout = 100 * time.Millisecond; o.QueueBytes = 64 << 20 })
		id := s.store.NewGroup("alice", "bob")
		p := s.hello("alice", "1")
		pull := `{"type":"pull","id":"r","conversation_id":"` + id.String() + `","after_seq":0,"limit":1000}`
		for range 1000 {
			s.store.Post(id, "bob", "m")
		}
		stopped := make(chan struct{})
		go func() { // asks for more than the kernel's buffers hold, and reads nothing
			defer close(stopped)
			for p.ws.WriteMessage(websocket.TextMessage, []byte(pull)) == nil {
				if s.registry.len() == 0 {
					return
				}
			}
		}()
		eventually.True(t, "the registry follows", func() bool { return s.registry.len() == 0 })
		_ = p.ws.Close()
		<-stopped
	})
	t.Run("4002 heartbeat missed", func(t *testing.T) {
		s := newTestServer(t, func(o *GatewayOptions) { o.Heartbeat = 50 * time.Millisecond })
		p := s.hello("alice", "1")
		p.ws.SetPingHandler(func(string) error { return nil })
		p.expectClose(4002)
		eventually.True(t, "the registry follows", func() bool { return s.registry.len() == 0 })
	})
	t.Run("a peer that answers pings stays", func(t *testing.T) {
		s := newTestServer(t, func(o *GatewayOptions) { o.Heartbeat = 500 * time.Millisecond })
		p := s.hello("alice", "1")
		pings := 0
		answer := p.ws.PingHandler()
		p.ws.SetPingHandler(func(data string) error {
			if pings++; pings == 4 { // two without an answer would have been too many
				p.send(`{"type":"ping"}`)
			}
			return answer(data)
		})
		p.expect("pong")
	})
	t.Run("a ping of the peer is answered", func(t *testing.T) {
		s := newTestServer(t, nil)
		p := s.hello("alice", "1")
		ponged := make(chan string, 1)
		p.ws.SetPongHandler(func(data string) error { ponged <- data; return nil })
		require.NoError(t, p.ws.WriteControl(websocket.PingMessage, []byte("x"), time.Now().Add(eventually.Deadline)))
		p.send(`{"type":"ping"}`)
		p.expect("pong")
		require.Equal(t, "x", <-ponged)
	})
	t.Run("4004 epoch changed", func(t *testing.T) {
		s := newTestServer(t, nil)
		p := s.hello("alice", "1")
		s.store.SetEpoch("e2")
		s.hub.EpochBegan("e2")
		p.expectClose(4004)
		require.Equal(t, "alice", s.open().hello("alice", "1")["user_id"])
	})
	t.Run("4200 token expired", func(t *testing.T) {
		s := newTestServer(t, func(o *GatewayOptions) {
			o.Authenticator = tokens{time.Now().Add(100 * time.Millisecond)}
			o.Leeway = 100 * time.Millisecond
		})
		began := time.Now()
		s.hello("alice", "1").expectEnd(4200, "token_expired", "", "the token of the session expired at 20")
		require.GreaterOrEqual(t, time.Since(began), 100*time.Millisecond)
	})
	t.Run("4402 replaced by a newer session", func(t *testing.T) {
		s := newTestServer(t, nil)
		old, other := s.hello("alice", "1"), s.hello("alice", "2")
		s.hello("alice", "1")
		old.expectClose(4402)
		other.send(`{"type":"ping"}`)
		other.expect("pong")
		eventually.True(t, "the registry follows", func() bool { return s.registry.len() == 2 })
	})
	t.Run("4402 of all others with the policy single", func(t *testing.T) {
		s := newTestServerWithHub(t, hub.Options{Single: true}, nil) // the test's registry replaces nothing
		old := s.hello("alice", "1")
		s.hello("alice", "2")
		old.expectClose(4402)
	})
	t.Run("4403 too many sessions", func(t *testing.T) {
		s := newTestServerWithHub(t, hub.Options{Limits: domain.Limits{SessionsPerUser: 2}}, nil)
		s.hello("alice", "1")
		s.hello("alice", "2")
		p := s.open()
		p.send(`{"type":"hello","device_id":"3","token":"alice"}`)
		p.expectClose(4403)
		s.hello("bob", "1")
		s.hello("alice", "1")
	})
	t.Run("the peer's own close", func(t *testing.T) {
		s := newTestServer(t, func(o *GatewayOptions) { o.AckEvery = time.Hour })
		id := s.store.NewGroup("alice")
		p := s.hello("alice", "1")
		p.send(`{"type":"ack","acks":{"` + id.String() + `":1}}`)
		require.NoError(t, p.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(eventually.Deadline)))
		p.expectClose(1000)
		eventually.True(t, "the registry follows", func() bool { return s.registry.len() == 0 && len(s.hub.Sessions()) == 0 })
		eventually.True(t, "the acknowledgement is written", func() bool {
			return s.store.HasAcked(domain.Ack{User: "alice", Device: "1", ConversationID: id, Seq: 1})
		})
	})
}

func TestRequestsInFlight(t *testing.T) {
	s := newTestServer(t, func(o *GatewayOptions) {
		o.Limits = domain.DefaultLimits()
		o.Limits.RequestsInFlight = 3
	})
	id := s.store.NewGroup("alice").String()
	p := s.hello("alice", "1")
	for range 3 {
		p.send(`{"type":"send","id":"r","conversation_id":"` + id + `","client_msg_id":"never","content":{"type":"text","text":"x"}}`)
	}
	p.send(`{"type":"send","id":"too many","conversation_id":"` + id + `","client_msg_id":"m","content":{"type":"text","text":"x"}}`)
	e := p.expectError("rate_limited", "too many")
	require.Equal(t, "after", e["retry"])
	require.NotZero(t, e["retry_after_ms"])
	p.send(`{"type":"ping"}`)
	p.expect("pong")
}

func TestAcknowledgementsSurviveAnOutage(t *testing.T) {
	s := newTestServer(t, nil)
	id := s.store.NewGroup("alice")
	p := s.hello("alice", "1")
	s.store.SetUnavailable(true)
	p.send(`{"type":"ack","acks":{"` + id.String() + `":1}}`)
	p.send(`{"type":"ping"}`)
	p.expect("pong")
	require.Error(t, s.gateway.acks.pending.Flush(t.Context()))
	s.store.SetUnavailable(false)
	eventually.True(t, "the acknowledgement is written", func() bool {
		return s.store.HasAcked(domain.Ack{User: "alice", Device: "1", ConversationID: id, Seq: 1})
	})
}

func TestDrain(t *testing.T) {
	t.Run("announces, closes, and refuses new sockets", func(t *testing.T) {
		s := newTestServer(t, func(o *GatewayOptions) { o.DrainSpread = 50 * time.Millisecond })
		p := s.hello("alice", "1")
		drained := make(chan error)
		go func() { drained <- s.gateway.Drain(context.Background()) }()
		d := p.expect("drain")
		require.Less(t, d["reconnect_after_ms"], 51.0)
		_, response, err := s.dial(nil)
		require.Error(t, err)
		require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
		p.expectClose(4000)
		_ = p.ws.Close()
		require.NoError(t, <-drained)
		require.Zero(t, s.registry.len())
	})
	t.Run("cuts off at the deadline the sockets that do not end", func(t *testing.T) {
		s := newTestServer(t, nil)
		id := s.store.NewGroup("alice").String()
		p := s.hello("alice", "1")
		p.send(`{"type":"send","id":"r","conversation_id":"` + id + `","client_msg_id":"never","content":{"type":"text","text":"x"}}`)
		p.send(`{"type":"ping"}`)
		p.expect("pong")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, s.gateway.Drain(ctx), context.DeadlineExceeded)
		require.Zero(t, s.registry.len())
	})
}

// TestBackpressure: a client that asks faster than it reads costs the server no more
// than its queue may hold. Its requests wait, and each is answered once it reads.
//
// The client does not check the pages against the description, which would make it
// so slow on a busy machine that other rules apply: megabytes of pages lie in the
// kernel's buffers before the next ping, and a client that takes longer than two
// heartbeats to come to it is closed with 4002. So pings are off here, too.
func TestBackpressure(t *testing.T) {
	s := newTestServer(t, func(o *GatewayOptions) { o.QueueBytes, o.Heartbeat = 256<<10, time.Hour })
	id := s.store.NewGroup("alice", "bob")
	for range 1000 {
		s.store.Post(id, "bob", "m")
	}
	c := s.hello("alice", "1")
	const requests = 200
	sent := make(chan error, 1)
	go func() {
		for i := range requests {
			text := `{"type":"pull","id":"` + string(rune('a'+i%26)) + `","conversation_id":"` + id.String() + `","after_seq":0,"limit":1000}`
			if err := c.ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for range requests {
		require.NoError(t, c.ws.SetReadDeadline(time.Now().Add(eventually.Deadline)))
		_, data, err := c.ws.ReadMessage()
		require.NoError(t, err)
		if page := bytes.HasPrefix(data, []byte(`{"type":"page",`)); !page {
			require.Contains(t, string(data), `"code":"rate_limited"`)
		}
	}
	require.NoError(t, <-sent)
}
