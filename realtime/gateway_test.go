package realtime

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/origin"
	"im/realtime/hub"
	"im/realtime/presence"
	"im/realtime/realtimetest"
	"im/realtime/wire"
	"im/realtime/ws"
	"im/test/eventually"
)

func TestHandshake(t *testing.T) {
	s := newTestServer(t, func(o *GatewayOptions) {
		o.Origins = must(origin.New(origin.Options{Allowed: []string{"https://app.example.com"}}))
	})
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	from := func(page string) http.Header {
		return http.Header{"Authorization": {"Bearer alice"}, "Origin": {page}}
	}
	for name, c := range map[string]struct {
		header    http.Header
		protocols []string
		status    int
		code      string
		detail    string
	}{
		"no token yet":       {nil, []string{subprotocol}, 101, "", ""},
		"no subprotocol":     {bearer("alice"), nil, 101, "", ""},
		"among subprotocols": {bearer("alice"), []string{"other", subprotocol}, 101, "", ""},
		"other subprotocol":  {bearer("alice"), []string{"im.v2"}, 400, "invalid", `offers "im.v2"; the subprotocol is im.v1`},
		"forged token":       {bearer("forged"), nil, 401, "unauthenticated", "the reason of the verifier"},
		"expired token":      {bearer("expired"), nil, 401, "token_expired", "expired"},
		"not a bearer":       {http.Header{"Authorization": {"Basic eHk="}}, nil, 401, "unauthenticated", `must be "Bearer"`},
		"unverifiable token": {bearer("unverifiable"), nil, 503, "unavailable", ""},
		"own origin":         {from(s.server.URL), nil, 101, "", ""},
		"allowed origin":     {from("https://app.example.com"), nil, 101, "", ""},
		"allowed, port 443":  {from("https://APP.example.com:443"), nil, 101, "", ""},
		"other origin":       {from("https://evil.example.com"), nil, 403, "forbidden", `the Origin "https://evil.example.com" differs from the Host "127.0.0.1:`},
		"null origin":        {from("null"), nil, 403, "forbidden", "IM_ALLOWED_ORIGINS"},
		"other, no token":    {http.Header{"Origin": {"https://evil.example.com"}}, nil, 403, "forbidden", ""},
	} {
		t.Run(name, func(t *testing.T) {
			ws, response, err := s.dial(c.header, c.protocols...)
			require.Equal(t, c.status, response.StatusCode)
			if c.status == http.StatusSwitchingProtocols {
				require.NoError(t, err)
				require.NoError(t, ws.Close())
				return
			}
			var p struct {
				Code   string `json:"code"`
				Status int    `json:"status"`
				Detail string `json:"detail"`
			}
			require.NoError(t, json.NewDecoder(response.Body).Decode(&p))
			require.Equal(t, "application/problem+json", response.Header.Get("Content-Type"))
			require.Equal(t, c.code, p.Code)
			require.Equal(t, c.status, p.Status)
			require.Contains(t, p.Detail, c.detail)
		})
	}
	t.Run("not a handshake", func(t *testing.T) {
		response, err := http.Get(s.server.URL)
		require.NoError(t, err)
		defer func() { _ = response.Body.Close() }()
		require.Equal(t, http.StatusBadRequest, response.StatusCode)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Contains(t, string(text), "a proxy must pass on the headers Connection and Upgrade")
	})
}

// TestRenewalWithoutPostgres: a renewal does not hold up the socket while revocations
// cannot be looked up.
func TestRenewalWithoutPostgres(t *testing.T) {
	s := newTestServer(t, func(o *GatewayOptions) { o.Request = time.Hour })
	p := s.hello("alice", "d")
	s.store.SetRevocationsStuck()
	p.send(`{"type":"hello","device_id":"d","token":"alice"}`)
	p.expect("welcome")
}

func TestFrames(t *testing.T) {
	s := newTestServer(t, nil)
	id := s.store.NewGroup("alice", "bob")
	a, a2, b := s.hello("alice", "1"), s.hello("alice", "2"), s.hello("bob", "1")

	t.Run("send", func(t *testing.T) {
		a.send(`{"type":"send","id":"r1","conversation_id":"` + id.String() + `","client_msg_id":"m1","content":{"type":"text","text":"x"},"mentions":["bob"],"reply_to":1,"metadata":{}}`)
		for range 2 { // in either order
			f, err := a.receive()
			require.NoError(t, err)
			if f["type"] == "sent" {
				require.Equal(t, answer{"type": "sent", "id": "r1", "conversation_id": id.String(), "client_msg_id": "m1", "seq": 2.0, "at": f["at"], "duplicate": false}, f)
			} else {
				require.Equal(t, "event", f["type"])
			}
		}
		event := b.expect("event")["event"].(map[string]any)
		require.Equal(t, "m1", event["client_msg_id"])
		a2.expect("event")
	})
	t.Run("pull", func(t *testing.T) {
		b.send(`{"type":"pull","id":"p1","conversation_id":"` + id.String() + `","after_seq":0,"limit":1}`)
		page := b.expect("page")
		require.Equal(t, "p1", page["id"])
		require.Len(t, page["events"], 1)
		require.EqualValues(t, 2, page["head_seq"])
	})
	t.Run("sync with an empty cursor", func(t *testing.T) {
		b.send(`{"type":"sync","id":"s0","cursor":""}`)
		b.expectError("cursor_invalid", "s0")
	})
	t.Run("sync", func(t *testing.T) {
		b.send(`{"type":"sync","id":"s1","cursor":"c","limit":7,"timeline_limit":3}`)
		page := b.expect("sync_page")
		require.Equal(t, true, page["done"])
		require.Equal(t, domain.SyncQuery{User: "bob", Device: "1", Cursor: "c", Limit: 7, TimelineLimit: 3}, s.store.LastSync())
	})
	t.Run("read reaches every session once, with the id only the one that asked", func(t *testing.T) {
		a.send(`{"type":"read","id":"x1","conversation_id":"` + id.String() + `","seq":1}`)
		state := a.expect("read_state")
		require.Equal(t, "x1", state["id"])
		require.EqualValues(t, 1, state["unread_count"])
		require.NotContains(t, a2.expect("read_state"), "id")
		for _, p := range []*client{a, a2, b} {
			p.send(`{"type":"ping","id":"after"}`)
			require.Equal(t, "after", p.expect("pong")["id"])
		}
	})
	t.Run("ack", func(t *testing.T) {
		b.send(`{"type":"ack","acks":{"` + id.String() + `":1}}`)
		b.send(`{"type":"ack","acks":{"` + id.String() + `":2}}`)
		eventually.True(t, "the acknowledgement is written", func() bool { return s.store.HasAcked(domain.Ack{User: "bob", Device: "1", ConversationID: id, Seq: 2}) })
	})
	t.Run("ping without an id", func(t *testing.T) {
		b.send(`{"type":"ping","background":true}`)
		require.NotContains(t, b.expect("pong"), "id")
	})
	t.Run("conversation", func(t *testing.T) {
		group := s.store.NewGroup("x")
		s.store.AddMember(group, "bob")
		c := b.expect("conversation")["conversation"].(map[string]any)
		require.Equal(t, group.String(), c["conversation_id"])
		require.Equal(t, []any{}, c["events"])
		b.expect("event")
	})
	t.Run("errors of the store", func(t *testing.T) {
		a.send(`{"type":"send","id":"r","conversation_id":"` + id.String() + `","client_msg_id":"broken","content":{"type":"text","text":"x"}}`)
		require.NotContains(t, a.expectError("internal", "r")["message"], "secret")
		a.send(`{"type":"pull","id":"r","conversation_id":"` + domain.NewConversationID(time.Now()).String() + `","after_seq":0}`)
		require.Equal(t, "never", a.expectError("not_found", "r")["retry"])
	})
	t.Run("a panic of a request is its answer", func(t *testing.T) {
		a.send(`{"type":"pull","id":"r","conversation_id":"` + id.String() + `","after_seq":0,"limit":13}`)
		require.Equal(t, "again", a.expectError("internal", "r")["retry"])
	})
	t.Run("a panic of a socket ends only that", func(t *testing.T) {
		a2.send(`{"type":"send","id":"r","conversation_id":"` + id.String() + `","client_msg_id":"panic","content":{"type":"text","text":"x"}}`)
		a2.expectClose(1011)
		a.send(`{"type":"ping"}`)
		a.expect("pong")
	})
}

func TestBadInput(t *testing.T) {
	s := newTestServer(t, nil)
	id := s.store.NewGroup("alice").String()
	p := s.hello("alice", "1")
	long := strings.Repeat("a", 129)
	for _, c := range []struct{ frame, id, field string }{
		{`{`, "", ""},
		{`[]`, "", "/type"},
		{`7`, "", "/type"},
		{`"x"`, "", "/type"},
		{`null`, "", "/type"},
		{`{}`, "", "/type"},
		{`{"id":"r"}`, "r", "/type"},
		{`{"type":7,"id":"r"}`, "r", "/type"},
		{`{"type":"unknown","id":"r"}`, "r", "/type"},
		{`{"type":"typing","conversation_id":"` + id + `","id":""}`, "", "/id"},
		{`{"type":"typing","conversation_id":"x","id":"r"}`, "r", "/conversation_id"},
		{`{"type":"watch"}`, "", "/user_ids"},
		{`{"type":"watch","user_ids":["a b"]}`, "", "/user_ids"},
		{`{"type":"watch","user_ids":"bob"}`, "", "/user_ids"},
		{`{"type":"watch","user_ids":["a b"],"id":"r"}`, "r", "/user_ids"},
		{`{"type":"watch","user_ids":["a"` + strings.Repeat(`,"a"`, 500) + `]}`, "", "/user_ids"},
		{`{"type":"welcome"}`, "", "/type"},
		{"{\"type\":\"ping\",\"id\":\"a\\u0000\"}", "", "/id"},
		{`{"type":"ping","id":"\ud800"}`, "", "/id"},
		{`{"type":"ping","type":"ping"}`, "", "/type"},
		{`{"type":"ping","id":""}`, "", "/id"},
		{`{"type":"ping","id":7}`, "", "/id"},
		{`{"type":"ping","id":"` + long + `"}`, "", "/id"},
		{`{"type":"ping","id":"r","more":1}`, "r", "/more"},
		{`{"type":"ping","id":"r","background":"yes"}`, "r", "/background"},
		{`{"type":"ping","Background":true}`, "", "/Background"},
		{`{"type":"sync"}`, "", "/id"},
		{`{"type":"sync","id":"r","limit":0}`, "r", "/limit"},
		{`{"type":"sync","id":"r","limit":501}`, "r", "/limit"},
		{`{"type":"sync","id":"r","limit":1.5}`, "r", "/limit"},
		{`{"type":"sync","id":"r","timeline_limit":51}`, "r", "/timeline_limit"},
		{`{"type":"sync","id":"r","timeline_limit":-1}`, "r", "/timeline_limit"},
		{`{"type":"sync","id":"r","cursor":7}`, "r", "/cursor"},
		{`{"type":"pull","id":"r"}`, "r", "/conversation_id"},
		{`{"type":"pull","id":"r","conversation_id":"` + id + `"}`, "r", "/after_seq"},
		{`{"type":"pull","id":"r","conversation_id":"` + id + `","after_seq":0,"before_seq":9}`, "r", "/after_seq"},
		{`{"type":"pull","id":"r","conversation_id":"` + id + `","after_seq":-1}`, "r", "/after_seq"},
		{`{"type":"pull","id":"r","conversation_id":"` + id + `","before_seq":-9223372036854775808}`, "r", "/before_seq"},
		{`{"type":"pull","id":"r","conversation_id":"` + id + `","after_seq":99999999999999999999}`, "r", "/after_seq"},
		{`{"type":"pull","id":"r","conversation_id":"` + id + `","after_seq":null}`, "r", "/after_seq"},
		{`{"type":"pull","id":"r","conversation_id":"` + id + `","after_seq":0,"limit":0}`, "r", "/limit"},
		{`{"type":"pull","id":"r","conversation_id":"` + id + `","after_seq":0,"limit":1001}`, "r", "/limit"},
		{`{"type":"pull","id":"r","conversation_id":"` + id + `","after_seq":0,"limit":9223372036854775807}`, "r", "/limit"},
		{`{"type":"pull","id":"r","conversation_id":"","after_seq":0}`, "r", "/conversation_id"},
		{`{"type":"pull","id":"r","conversation_id":"` + long + `","after_seq":0}`, "r", "/conversation_id"},
		{`{"type":"send","client_msg_id":"m","content":{"type":"text","text":"x"},"conversation_id":"` + id + `"}`, "", "/id"},
		{`{"type":"send","id":"r","client_msg_id":"m","content":{"type":"text","text":"x"}}`, "r", "/conversation_id"},
		{`{"type":"send","id":"r","client_msg_id":"m","content":{"type":"text","text":"x"},"conversation_id":"` + id + `","to":"bob"}`, "r", "/to"},
		{`{"type":"send","id":"r","client_msg_id":"m","content":{"type":"text","text":"x"},"to":""}`, "r", "/to"},
		{`{"type":"send","id":"r","client_msg_id":"m","content":{"type":"text","text":"x"},"to":"` + long + `"}`, "r", "/to"},
		{`{"type":"send","id":"r","client_msg_id":"m","content":{"type":"text","text":"x"},"to":["bob"]}`, "r", "/to"},
		{`{"type":"send","id":"r","content":{"type":"text","text":"x"},"conversation_id":"` + id + `"}`, "r", "/client_msg_id"},
		{`{"type":"send","id":"r","client_msg_id":1,"content":{"type":"text","text":"x"},"conversation_id":"` + id + `"}`, "r", "/client_msg_id"},
		{`{"type":"send","id":"r","client_msg_id":"m","conversation_id":"` + id + `"}`, "r", "/content"},
		{`{"type":"send","id":"r","client_msg_id":"m","content":{"type":"text","text":"x"},"conversation_id":"` + id + `","reply_to":"1"}`, "r", "/reply_to"},
		{`{"type":"send","id":"r","client_msg_id":"m","content":{"type":"text","text":"x"},"conversation_id":"` + id + `","mentions":[1]}`, "r", "/mentions"},
		{`{"type":"send","id":"r","client_msg_id":"m","content":{"type":"text","text":"x"},"conversation_id":"` + id + `","seq":1}`, "r", "/seq"},
		{`{"type":"read","id":"r","conversation_id":"` + id + `"}`, "r", "/seq"},
		{`{"type":"read","conversation_id":"` + id + `","seq":-1}`, "", "/seq"},
		{`{"type":"read","conversation_id":"x","seq":1}`, "", "/conversation_id"},
		{`{"type":"ack"}`, "", "/acks"},
		{`{"type":"ack","acks":[]}`, "", "/acks"},
		{`{"type":"ack","acks":{"x":1}}`, "", "/acks/x"},
		{`{"type":"ack","acks":{"` + id + `":-1}}`, "", "/acks/" + id},
		{`{"type":"ack","acks":{"` + id + `":"1"}}`, "", "/acks/" + id},
		{`{"type":"ack","id":"r","acks":{"x":1}}`, "r", "/acks/x"},
		{`{"type":"hello","id":"r","token":"alice"}`, "r", "/device_id"},
		{`{"type":"hello","id":7,"device_id":"1","token":"alice"}`, "", "/id"},
		{`{"type":"ack","acks":{},"more":1}`, "", "/more"},
	} {
		p.send(c.frame)
		p.expectError("invalid", c.id, c.field)
		s.checker.requireRefusable(t, c.frame)
	}
	require.EqualValues(t, 1, s.store.Head(must(domain.ParseConversationID("", id))), "nothing is stored")

	t.Run("a binary frame", func(t *testing.T) {
		p := s.hello("alice", "2")
		require.NoError(t, p.ws.WriteMessage(websocket.BinaryMessage, []byte(`{"type":"ping"}`)))
		p.expectEnd(4300, "invalid", "", "a frame is binary")
	})
	t.Run("invalid UTF-8", func(t *testing.T) {
		p := s.hello("alice", "2")
		p.send("{\"type\":\"ping\",\"id\":\"\xff\"}")
		p.expectEnd(4300, "invalid", "", "a frame is not valid UTF-8")
	})
	t.Run("a frame that is none", func(t *testing.T) {
		p := s.hello("alice", "2")
		_, err := p.ws.NetConn().Write([]byte{0xff, 0x80, 0, 0, 0, 0})
		require.NoError(t, err)
		p.expectEnd(4300, "invalid", "", "websocket:")
	})
	t.Run("10 MB", func(t *testing.T) {
		p := s.hello("alice", "2")
		go func() { _ = p.ws.WriteMessage(websocket.TextMessage, make([]byte, 10<<20)) }()
		p.expectEnd(1009, "too_large", "", "a frame has more than 65536 bytes")
	})
}

func FuzzFrame(f *testing.F) {
	for _, seed := range []string{
		`{"type":"hello","device_id":"d","token":"alice"}`, `{"type":"sync","id":"1","limit":3}`, `{"type":"ping"}`,
		`{"type":"pull","id":"1","conversation_id":"01970000-0000-7000-8000-000000000000","after_seq":3}`,
		`{"type":"send","id":"1","client_msg_id":"m","to":"bob","content":{"type":"text","text":"x"}}`,
		`{"type":"ack","acks":{"01970000-0000-7000-8000-000000000000":3}}`, `{"type":"read","conversation_id":"x","seq":1}`,
		`{"type":"ack","acks":[{"a":[]}]}`, `[`, `{"type":{"type":1}}`,
	} {
		f.Add([]byte(seed))
	}
	store := realtimetest.NewStore()
	reg := &registry{entries: map[domain.SessionID]domain.SessionEntry{}}
	h := hub.New(hub.Options{Directory: store, Log: store})
	g := NewGateway(GatewayOptions{
		Hub: h, Authenticator: tokens{}, Chat: store, Reader: store, Registry: reg, Signaller: h, SignalScopes: store,
		Presence: presence.NewLookup(reg, store), Watches: presence.NewWatches(),
		LastSeen: presence.NewLastSeen(store, h, slog.New(slog.DiscardHandler)),
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		k := newSocket(g, &domain.Identity{User: "alice"}, netip.Prefix{})
		k.queue = ws.NewSendQueue(1<<20, func() {}, func() {})
		k.session = &hub.Session{ID: "s", User: "alice", Device: "d", Queue: k.queue}
		_ = k.handle(t.Context(), data) // any answer will do, but no panic
		g.running.Wait()
		for batch := k.queue.Next(); batch != nil; batch = k.queue.Next() {
			for _, frame := range batch {
				payload := wire.Frame(frame).Payload()
				require.True(t, json.Valid(payload))
				require.NotContains(t, string(payload), `"code":"internal"`, "%q", data)
			}
		}
	})
}
