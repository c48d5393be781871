package realtime

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"im/domain"
)

func TestClose(t *testing.T) {
	t.Run("4001 no byte taken", func(t *testing.T) {
		s := newSite(t, func(o *GatewayOptions) { o.Stall = 100 * time.Millisecond; o.QueueBytes = 64 << 20 })
		id := s.w.create("alice", "bob")
		p := s.hello("alice", "1")
		pull := `{"type":"pull","id":"r","conversation_id":"` + id.String() + `","after_seq":0,"limit":1000}`
		for range 1000 {
			s.w.post(id, "bob", "m")
		}
		stopped := make(chan struct{})
		go func() { // asks for more than the kernel's buffers hold, and reads nothing
			defer close(stopped)
			for p.ws.WriteMessage(websocket.TextMessage, []byte(pull)) == nil {
				if s.registry.size() == 0 {
					return
				}
			}
		}()
		s.eventually(func() bool { return s.registry.size() == 0 })
		_ = p.ws.Close()
		<-stopped
	})
	t.Run("4002 heartbeat missed", func(t *testing.T) {
		s := newSite(t, func(o *GatewayOptions) { o.Heartbeat = 50 * time.Millisecond })
		p := s.hello("alice", "1")
		p.ws.SetPingHandler(func(string) error { return nil })
		p.expectClose(4002)
		s.eventually(func() bool { return s.registry.size() == 0 })
	})
	t.Run("a peer that answers pings stays", func(t *testing.T) {
		s := newSite(t, func(o *GatewayOptions) { o.Heartbeat = 500 * time.Millisecond })
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
		s := newSite(t, nil)
		p := s.hello("alice", "1")
		ponged := make(chan string, 1)
		p.ws.SetPongHandler(func(data string) error { ponged <- data; return nil })
		require.NoError(t, p.ws.WriteControl(websocket.PingMessage, []byte("x"), time.Now().Add(patience)))
		p.send(`{"type":"ping"}`)
		p.expect("pong")
		require.Equal(t, "x", <-ponged)
	})
	t.Run("4004 epoch changed", func(t *testing.T) {
		s := newSite(t, nil)
		p := s.hello("alice", "1")
		s.w.newEpoch("e2")
		s.hub.readFeedSoon()
		p.expectClose(4004)
		require.Equal(t, "alice", s.open().as("alice", "1")["user_id"])
	})
	t.Run("4200 token expired", func(t *testing.T) {
		s := newSite(t, func(o *GatewayOptions) {
			o.Authenticator = tokens{time.Now().Add(100 * time.Millisecond)}
			o.Leeway = 100 * time.Millisecond
		})
		began := time.Now()
		s.hello("alice", "1").expectClose(4200)
		require.GreaterOrEqual(t, time.Since(began), 100*time.Millisecond)
	})
	t.Run("4402 replaced by a newer session", func(t *testing.T) {
		s := newSite(t, nil)
		old, other := s.hello("alice", "1"), s.hello("alice", "2")
		s.hello("alice", "1")
		old.expectClose(4402)
		other.send(`{"type":"ping"}`)
		other.expect("pong")
		s.eventually(func() bool { return s.registry.size() == 2 })
	})
	t.Run("4402 of all others with the policy single", func(t *testing.T) {
		s := newSite(t, nil)
		s.hub.o.Single = true // the registry of the test replaces nothing
		old := s.hello("alice", "1")
		s.hello("alice", "2")
		old.expectClose(4402)
	})
	t.Run("4403 too many sessions", func(t *testing.T) {
		s := newSite(t, nil)
		s.hub.o.Limits.SessionsPerUser = 2
		s.hello("alice", "1")
		s.hello("alice", "2")
		p := s.open()
		p.send(`{"type":"hello","device_id":"3","token":"alice"}`)
		p.expectClose(4403)
		s.hello("bob", "1")
		s.hello("alice", "1")
	})
	t.Run("the peer's own", func(t *testing.T) {
		s := newSite(t, func(o *GatewayOptions) { o.AckDelay = time.Hour })
		id := s.w.create("alice")
		p := s.hello("alice", "1")
		p.send(`{"type":"ack","acks":{"` + id.String() + `":1}}`)
		require.NoError(t, p.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(patience)))
		p.expectClose(1000)
		s.eventually(func() bool { return s.registry.size() == 0 && len(s.hub.Sessions()) == 0 })
		s.eventually(func() bool {
			return s.w.hasAcked(domain.Ack{User: "alice", Device: "1", ConversationID: id, Seq: 1})
		})
	})
}

func (p *peer) as(token, device string) answer {
	p.send(`{"type":"hello","device_id":"` + device + `","token":"` + token + `"}`)
	return p.expect("welcome")
}

func TestRequestsInFlight(t *testing.T) {
	s := newSite(t, func(o *GatewayOptions) {
		o.Limits = domain.DefaultLimits()
		o.Limits.RequestsInFlight = 3
	})
	id := s.w.create("alice").String()
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
	s := newSite(t, nil)
	id := s.w.create("alice")
	p := s.hello("alice", "1")
	s.w.setAway(true)
	p.send(`{"type":"ack","acks":{"` + id.String() + `":1}}`)
	p.send(`{"type":"ping"}`)
	p.expect("pong")
	s.gateway.flushAcks(t.Context(), s.gateway.acks.takeAll())
	s.w.setAway(false)
	s.eventually(func() bool {
		return s.w.hasAcked(domain.Ack{User: "alice", Device: "1", ConversationID: id, Seq: 1})
	})
}

func TestDrain(t *testing.T) {
	t.Run("tells, closes, and lets nobody in", func(t *testing.T) {
		s := newSite(t, func(o *GatewayOptions) { o.Drain = 50 * time.Millisecond })
		p := s.hello("alice", "1")
		over := make(chan error)
		go func() { over <- s.gateway.Drain(context.Background()) }()
		d := p.expect("drain")
		require.Less(t, d["reconnect_after_ms"], 51.0)
		_, response, err := s.dial(nil)
		require.Error(t, err)
		require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
		p.expectClose(4000)
		_ = p.ws.Close()
		require.NoError(t, <-over)
		require.Zero(t, s.registry.size())
	})
	t.Run("cuts off at the deadline what does not end", func(t *testing.T) {
		s := newSite(t, nil)
		id := s.w.create("alice").String()
		p := s.hello("alice", "1")
		p.send(`{"type":"send","id":"r","conversation_id":"` + id + `","client_msg_id":"never","content":{"type":"text","text":"x"}}`)
		p.send(`{"type":"ping"}`)
		p.expect("pong")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, s.gateway.Drain(ctx), context.DeadlineExceeded)
		require.Zero(t, s.registry.size())
	})
}

// A socket that reads nothing keeps only what its queue may hold; the answers
// that it asked for wait, and none is lost when it reads again.
func TestBackpressure(t *testing.T) {
	s := newSite(t, func(o *GatewayOptions) { o.QueueBytes = 256 << 10 })
	id := s.w.create("alice", "bob")
	for range 1000 {
		s.w.post(id, "bob", "m")
	}
	p := s.hello("alice", "1")
	const asked = 200
	sent := make(chan error, 1)
	go func() {
		for i := range asked {
			text := `{"type":"pull","id":"` + string(rune('a'+i%26)) + `","conversation_id":"` + id.String() + `","after_seq":0,"limit":1000}`
			if err := p.ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	answered := 0
	for answered < asked {
		f, err := p.receive()
		require.NoError(t, err)
		if f["type"] == "error" {
			require.Equal(t, "rate_limited", f["code"])
		}
		answered++
	}
	require.NoError(t, <-sent)
}
