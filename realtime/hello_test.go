package realtime

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

func TestHello(t *testing.T) {
	s := newTestServer(t, nil)
	shortHello := newTestServer(t, func(o *GatewayOptions) { o.HelloTimeout = 300 * time.Millisecond })
	t.Run("welcome", func(t *testing.T) {
		p := s.open()
		p.send(`{"type":"hello","device_id":"d","token":"alice","background":true}`)
		w := p.expect("welcome")
		require.Equal(t, "alice", w["user_id"])
		require.Equal(t, "d", w["device_id"])
		require.Equal(t, "node-1", w["node_id"])
		require.Equal(t, "e1", w["epoch"])
		require.EqualValues(t, 25000, w["heartbeat_ms"])
		require.EqualValues(t, 65536, w["limits"].(map[string]any)["frame_bytes"])
		require.NotEmpty(t, w["session_id"])
		require.NotEmpty(t, w["server_time"])
		require.NotEmpty(t, w["token_expires_at"])
	})
	t.Run("token of the handshake", func(t *testing.T) {
		ws, _, err := s.dial(http.Header{"Authorization": {"Bearer bob#phone"}})
		require.NoError(t, err)
		defer func() { _ = ws.Close() }()
		p := &client{t, ws, s.checker, s.checker.newSentFrames()}
		p.send(`{"type":"hello","device_id":"laptop"}`)
		p.expectError("invalid", "", "/device_id")
		p.send(`{"type":"hello","device_id":"phone"}`)
		p.expect("welcome")
	})
	for name, c := range map[string]struct {
		frame     string
		closeCode int
		code, id  string
		reason    string
	}{
		"nothing":                {"", 4300, "invalid", "", "no valid hello came within 300ms"},
		"other frame":            {`{"type":"ping"}`, 4300, "invalid", "", `the first frame must have the type "hello"`},
		"other frame with an id": {`{"type":"ping","id":"r1"}`, 4300, "invalid", "r1", `the first frame must have the type "hello"`},
		"no JSON":                {`{`, 4300, "invalid", "", "the first frame is not JSON"},
		"no object":              {`[]`, 4300, "invalid", "", `the first frame must have the type "hello"`},
		"no token":               {`{"type":"hello","device_id":"d"}`, 4400, "unauthenticated", "", "a token is required"},
		"empty token":            {`{"type":"hello","device_id":"d","token":""}`, 4400, "unauthenticated", "", "a token is required"},
		"forged token":           {`{"type":"hello","id":"r2","device_id":"d","token":"forged"}`, 4400, "unauthenticated", "r2", "the reason of the verifier"},
		"revoked token":          {`{"type":"hello","device_id":"d","token":"revoked"}`, 4400, "unauthenticated", "", "the token has been revoked"},
		"expired token":          {`{"type":"hello","id":"r3","device_id":"d","token":"expired"}`, 4200, "token_expired", "r3", "the token has expired"},
		"unverifiable":           {`{"type":"hello","device_id":"d","token":"unverifiable"}`, 4003, "unavailable", "", "not available"},
		"invalid field, timeout": {`{"type":"hello","device_id":"` + strings.Repeat("d", 65) + `","token":"alice"}`, 4300, "invalid", "", "no valid hello came"},
	} {
		t.Run(name, func(t *testing.T) {
			server := s
			if c.closeCode == 4300 { // most of them may still be followed by a valid hello
				server = shortHello
			}
			p := server.open()
			p.t = t
			if c.frame != "" {
				p.send(c.frame)
			}
			p.expectEnd(c.closeCode, c.code, c.id, c.reason)
		})
	}
	t.Run("invalid field, then a valid hello", func(t *testing.T) {
		for _, bad := range []string{
			`{"type":"hello","token":"alice"}`, `{"type":"hello","device_id":"","token":"alice"}`,
			`{"type":"hello","device_id":7,"token":"alice"}`, `{"type":"hello","device_id":"d","token":7}`,
			`{"type":"hello","device_id":"d","token":"alice","more":1}`, `{"type":"hello","device_id":"d","token":"alice","background":1}`,
			`{"type":"hello","device_id":"d","token":"alice#other"}`,
		} {
			p := s.open()
			p.send(bad)
			p.expectError("invalid", "")
			p.send(`{"type":"hello","device_id":"d2","token":"alice"}`)
			p.expect("welcome")
		}
	})
	t.Run("store unavailable", func(t *testing.T) {
		s.store.SetUnavailable(true)
		defer s.store.SetUnavailable(false)
		p := s.open()
		p.send(`{"type":"hello","device_id":"d","token":"alice"}`)
		p.expectClose(4003)
	})
	t.Run("refused by the registry", func(t *testing.T) {
		for err, code := range map[error]int{domain.ErrConflict: 4402, domain.ErrLimitExceeded: 4403} {
			s.registry.refuse(err)
			p := s.open()
			p.send(`{"type":"hello","device_id":"d","token":"alice"}`)
			p.expectClose(code)
		}
		s.registry.refuse(domain.ErrUnavailable)
		s.hello("alice", "d3")
		s.registry.refuse(nil)
	})
}

func TestRenewal(t *testing.T) {
	s := newTestServer(t, nil)
	p := s.open()
	p.send(`{"type":"hello","device_id":"d","token":"alice/s"}`)
	first := p.expect("welcome")
	p.send(`{"type":"hello","device_id":"d","token":"alice/s"}`)
	require.Equal(t, first["session_id"], p.expect("welcome")["session_id"])
	p.send(`{"type":"hello","device_id":"d"}`)
	p.expectError("invalid", "", "/token")
	p.send(`{"type":"hello","device_id":"other","token":"alice/s"}`)
	p.expectError("invalid", "", "/device_id")
	p.send(`{"type":"hello","device_id":"d","token":"alice/more"}`)
	p.expectError("invalid", "", "/token")
	p.send(`{"type":"hello","device_id":"d","token":"unverifiable"}`)
	p.expectError("unavailable", "")
	p.send(`{"type":"hello","id":"r9","device_id":"d","token":"bob/s"}`)
	p.expectEnd(4400, "unauthenticated", "r9", "the token is of another user than the session")

	p = s.hello("alice", "d")
	s.store.Revoke("alice")
	p.send(`{"type":"hello","device_id":"d","token":"alice"}`)
	p.expectEnd(4400, "unauthenticated", "", "the token has been revoked")
}

// TestIDs: every frame may have an id, and its answer has the same.
func TestIDs(t *testing.T) {
	s := newTestServer(t, nil)
	id := s.store.NewGroup("alice", "bob").String()
	p := s.open()
	for _, request := range []string{"h1", "h2"} { // the second one renews
		p.send(`{"type":"hello","id":"` + request + `","device_id":"d","token":"alice"}`)
		require.Equal(t, request, p.expect("welcome")["id"])
	}
	p.send(`{"type":"hello","device_id":"d","token":"alice"}`)
	require.NotContains(t, p.expect("welcome"), "id")
	p.send(`{"type":"hello","id":"h3","device_id":"d"}`)
	p.expectError("invalid", "h3", "/token")

	p.send(`{"type":"watch","id":"w1","user_ids":["bob","carol"]}`)
	for range 2 {
		require.Equal(t, "w1", p.expect("presence")["id"])
	}
	s.hello("bob", "1")
	require.NotContains(t, p.expectPresence("bob", true), "id", "a change is no answer")
	p.send(`{"type":"watch","user_ids":["bob"]}`)
	require.NotContains(t, p.expectPresence("bob", true), "id")

	p.send(`{"type":"typing","id":"t1","conversation_id":"` + id + `"}`)
	p.send(`{"type":"ack","id":"a1","acks":{"` + id + `":1}}`)
	p.expectNothing()
	p.send(`{"type":"typing","id":"t2","conversation_id":"` + domain.NewConversationID(time.Now()).String() + `"}`)
	p.expectError("not_found", "t2")
	p.send(`{"type":"ack","id":"a2","acks":{"x":1}}`)
	p.expectError("invalid", "a2", "/acks/x")
}
