package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/strictjson"
)

// TestBadFrames: each invalid frame is answered with a code of the contract. The socket
// stays open, and nothing is stored.
func TestBadFrames(t *testing.T) {
	c := newCluster(t)
	n := c.node("one")
	id := n.direct("alice", "bob")
	alice := connect(t, n.URL, "alice", "phone")
	before := alice.history(id)

	send := func(rest string) string {
		return `{"type":"send","id":"x","conversation_id":"` + id.String() + `",` + rest + `}`
	}
	const content = `"content":{"type":"text","text":"x"}`
	// asyncapi.yaml cannot refuse these fields: they depend on the state or on limits that
	// can be configured.
	byState := []string{"/limit", "/reply_to", "/mentions/0", "/to"}
	for _, bad := range []struct {
		frame string
		code  domain.Code
		field string
	}{
		{`{`, "invalid", ""},
		{`[]`, "invalid", ""},
		{`"hello"`, "invalid", ""},
		{`{}`, "invalid", "/type"},
		{`{"type":"dance","id":"x"}`, "invalid", "/type"},
		{`{"type":1,"id":"x"}`, "invalid", "/type"},
		{`{"type":"ping","id":"x","colour":"red"}`, "invalid", "/colour"},
		{`{"type":"ping","id":"x","ID":"y"}`, "invalid", "/ID"},
		{`{"type":"ping","id":"` + strings.Repeat("x", 65) + `"}`, "invalid", "/id"},
		{`{"type":"ping","id":7}`, "invalid", "/id"},
		{`{"type":"pull","id":"x","conversation_id":"` + id.String() + `"}`, "invalid", ""},
		{`{"type":"pull","id":"x","conversation_id":"` + id.String() + `","after_seq":1,"before_seq":2}`, "invalid", ""},
		{`{"type":"pull","id":"x","conversation_id":"` + id.String() + `","after_seq":-1}`, "invalid", "/after_seq"},
		{`{"type":"pull","id":"x","conversation_id":"` + id.String() + `","after_seq":"1"}`, "invalid", "/after_seq"},
		{`{"type":"pull","id":"x","conversation_id":"` + id.String() + `","after_seq":1.5}`, "invalid", "/after_seq"},
		{`{"type":"pull","id":"x","conversation_id":"` + id.String() + `","after_seq":1,"limit":1001}`, "invalid", "/limit"},
		{`{"type":"pull","id":"x","conversation_id":"` + id.String() + `","after_seq":1,"limit":0}`, "invalid", "/limit"},
		{`{"type":"pull","id":"x","conversation_id":"` + id.String() + `","after_seq":99999999999999999999}`, "invalid", "/after_seq"},
		{`{"type":"pull","id":"x","conversation_id":"here","after_seq":1}`, "invalid", "/conversation_id"},
		{`{"type":"pull","id":"x","after_seq":1}`, "invalid", "/conversation_id"},
		{`{"type":"sync","id":"x","limit":501}`, "invalid", "/limit"},
		{`{"type":"sync","id":"x","timeline_limit":51}`, "invalid", "/timeline_limit"},
		{`{"type":"sync","id":"x","cursor":"nonsense"}`, "cursor_invalid", ""},
		{`{"type":"sync","id":"x","cursor":""}`, "cursor_invalid", ""},
		{`{"type":"read","id":"x","conversation_id":"` + id.String() + `","seq":-1}`, "invalid", "/seq"},
		{`{"type":"read","id":"x","conversation_id":"` + id.String() + `"}`, "invalid", "/seq"},
		{`{"type":"ack","acks":{"` + id.String() + `":"all"}}`, "invalid", ""},
		{`{"type":"ack","acks":{"here":1}}`, "invalid", ""},
		{`{"type":"ack"}`, "invalid", "/acks"},
		{send(content), "invalid", "/client_msg_id"},
		{send(content + `,"client_msg_id":""`), "invalid", "/client_msg_id"},
		{send(content + `,"client_msg_id":"` + strings.Repeat("x", 65) + `"`), "invalid", "/client_msg_id"},
		{send(content + `,"client_msg_id":"c","to":"bob"`), "invalid", ""},
		{send(content + `,"client_msg_id":"c","reply_to":0`), "invalid", "/reply_to"},
		{send(content + `,"client_msg_id":"c","reply_to":1`), "invalid", "/reply_to"},
		{send(content + `,"client_msg_id":"c","reply_to":99`), "invalid", "/reply_to"},
		{send(content + `,"client_msg_id":"c","mentions":["carol"]`), "invalid", "/mentions/0"},
		{send(content + `,"client_msg_id":"c","mentions":["*"]`), "invalid", "/mentions/0"},
		{send(content + `,"client_msg_id":"c","mentions":"bob"`), "invalid", "/mentions"},
		{send(content + `,"client_msg_id":"c","metadata":[]`), "invalid", "/metadata"},
		{send(`"client_msg_id":"c"`), "invalid", "/content"},
		{send(`"client_msg_id":"c","content":{"text":"x"}`), "invalid", "/content/type"},
		{send(`"client_msg_id":"c","content":{"type":"poll"}`), "invalid", "/content/type"},
		{send(`"client_msg_id":"c","content":{"type":"text","text":"\u0000"}`), "invalid", "/content/text"},
		{send(`"client_msg_id":"c","content":{"type":"text","text":"\ud800"}`), "invalid", "/content/text"},
		{send(`"client_msg_id":"c","content":{"type":"text","text":"a","text":"b"}`), "invalid", "/content/text"},
		{send(`"client_msg_id":"c","content":{"type":"text","text":"` + strings.Repeat("x", 33_000) + `"}`), "too_large", "/content"},
		{send(`"client_msg_id":"c","content":` + strings.Repeat(`[`, 5_000) + strings.Repeat(`]`, 5_000)), "invalid", ""},
		{`{"type":"send","id":"x","to":"` + strings.Repeat("u", 129) + `","client_msg_id":"c",` + content + `}`, "invalid", "/to"},
		{`{"type":"send","id":"x","to":"","client_msg_id":"c",` + content + `}`, "invalid", ""},
		{`{"type":"send","id":"x","to":"alice","client_msg_id":"c",` + content + `}`, "invalid", "/to"},
	} {
		require.NoError(t, alice.writeRaw(websocket.TextMessage, []byte(bad.frame)))
		name := bad.frame[:min(len(bad.frame), 120)]
		_, schemaErr := alice.protocol.FromClient([]byte(bad.frame))
		if notInSchema := bad.code != "invalid" || strictjson.Check([]byte(bad.frame)) != nil || slices.Contains(byState, bad.field); !notInSchema {
			require.Error(t, schemaErr, "asyncapi.yaml allows %s", name)
		}
		answer := alice.next("error")
		var e struct {
			Code   domain.Code       `json:"code"`
			Retry  domain.Retry      `json:"retry"`
			Fields map[string]string `json:"fields"`
		}
		answer.into(t, &e)
		require.Equal(t, bad.code, e.Code, "%s: %s", name, answer.raw)
		if strings.Contains(bad.frame, `"id":"x"`) {
			require.Equal(t, "x", answer.ID, "%s: %s", name, answer.raw)
		}
		require.Equal(t, domain.RetryNever, e.Retry, name)
		if bad.field != "" {
			require.Contains(t, e.Fields, bad.field, "%s: %s", name, answer.raw)
		}
	}
	require.Equal(t, "pong", alice.request(map[string]any{"type": "ping"}).Type)
	require.Equal(t, before, alice.history(id), "nothing was stored")
	views, _ := alice.sync("", 100)
	require.Len(t, views, 1, "no conversation was created")
}

// TestFramesThatCloseTheSocket: frames that violate the protocol close the socket.
func TestFramesThatCloseTheSocket(t *testing.T) {
	c := newCluster(t)
	n := c.node("one")
	for name, bad := range map[string]struct {
		kind  int
		frame []byte
		code  int
	}{
		"binary":        {websocket.BinaryMessage, []byte(`{"type":"ping"}`), 4300},
		"invalid UTF-8": {websocket.TextMessage, []byte("{\"type\":\"ping\",\"id\":\"\xff\"}"), 4300},
		"10 MB":         {websocket.TextMessage, make([]byte, 10<<20), websocket.CloseMessageTooBig},
	} {
		t.Run(name, func(t *testing.T) {
			s := connect(t, n.URL, "alice", name[:2])
			_ = s.writeRaw(bad.kind, bad.frame) // the server may close the socket during the write
			require.Equal(t, bad.code, s.closed())
		})
	}
	t.Run("no hello first", func(t *testing.T) {
		s := dial(t, n.URL, nil)
		s.write(map[string]any{"type": "ping"})
		require.Equal(t, 4300, s.closed())
	})
	t.Run("no hello in time", func(t *testing.T) {
		require.Equal(t, 4300, dial(t, n.URL, nil).closed())
	})
	require.NotEmpty(t, connect(t, n.URL, "alice", "after").user)
}

// TestBadRequests: each invalid REST call is answered with a status and a code of the
// contract, and nothing is stored.
func TestBadRequests(t *testing.T) {
	c := newCluster(t)
	n := c.node("one")
	id := n.group("alice", "bob").String()
	base := "/v1/conversations/" + id
	before, _ := n.call("alice", "GET", base+"/events", nil)
	require.Equal(t, http.StatusOK, before)

	for _, bad := range []struct {
		method, path, body string
		status             int
		code               domain.Code
	}{
		{"POST", base + "/messages", `{`, 400, "invalid"},
		{"POST", base + "/messages", `[]`, 400, "invalid"},
		{"POST", base + "/messages", `{}`, 400, "invalid"},
		{"POST", base + "/messages", `{"client_msg_id":"c","content":{"type":"text","text":"x"},"colour":1}`, 400, "invalid"},
		{"POST", base + "/messages", `{"client_msg_id":"c","content":{"type":"text","text":"\u0000"}}`, 400, "invalid"},
		{"POST", base + "/messages", "{\"client_msg_id\":\"c\",\"content\":{\"type\":\"text\",\"text\":\"\xff\"}}", 400, "invalid"},
		{"POST", base + "/messages", `{"client_msg_id":"c","content":{"type":"text"}}`, 400, "invalid"},
		{"POST", base + "/messages", `{"client_msg_id":7,"content":{"type":"text","text":"x"}}`, 400, "invalid"},
		{"POST", base + "/messages", `{"client_msg_id":"c","content":{"type":"text","text":"x"},"to":"bob"}`, 400, "invalid"},
		{"POST", base + "/messages", `{"client_msg_id":"c","content":{"type":"text","text":"` + strings.Repeat("x", 40_000) + `"}}`, 413, "too_large"},
		{"POST", base + "/messages", `{"client_msg_id":"c","content":{"type":"text","text":"` + strings.Repeat("x", 10<<20) + `"}}`, 413, "too_large"},
		{"POST", "/v1/messages", `{"client_msg_id":"c","content":{"type":"text","text":"x"}}`, 400, "invalid"},
		{"POST", "/v1/conversations", `{"kind":"club","members":[]}`, 400, "invalid"},
		{"POST", "/v1/conversations", `{"kind":"direct","members":["alice"]}`, 400, "invalid"},
		{"POST", "/v1/conversations", `{"kind":"group","members":["` + strings.Repeat("u", 129) + `"]}`, 400, "invalid"},
		{"POST", "/v1/conversations", `{"kind":"group","members":[],"settings":{"joining":"closed"}}`, 400, "invalid"},
		{"PATCH", base, `{"title":"` + strings.Repeat("é", 201) + `"}`, 400, "invalid"},
		{"PATCH", base, `{"settings":{"posting":"unknown"}}`, 400, "invalid"},
		{"PUT", base + "/members/x", `{"role":"king"}`, 400, "invalid"},
		{"PUT", base + "/members/x%20y", `{"role":"member"}`, 400, "invalid"},
		{"GET", base + "/messages?limit=0", "", 400, "invalid"},
		{"GET", base + "/messages?limit=1001", "", 400, "invalid"},
		{"GET", base + "/messages?limit=abc", "", 400, "invalid"},
		{"GET", base + "/messages?after_seq=-1", "", 400, "invalid"},
		{"GET", base + "/messages?after_seq=1&before_seq=2", "", 400, "invalid"},
		{"GET", base + "/messages?colour=red", "", 400, "invalid"},
		{"GET", base + "/messages/0", "", 400, "invalid"},
		{"GET", base + "/messages/99", "", 404, "not_found"},
		{"GET", base + "/events?before_seq=x", "", 400, "invalid"},
		{"PUT", base + "/read", `{"seq":-1}`, 400, "invalid"},
		{"PUT", base + "/ack", `{"device_id":"","seq":1}`, 400, "invalid"},
		{"GET", "/v1/conversations?cursor=nonsense", "", 410, "cursor_invalid"},
		{"GET", "/v1/conversations?limit=501", "", 400, "invalid"},
		{"GET", "/v1/sync?cursor=nonsense", "", 410, "cursor_invalid"},
		{"GET", "/v1/conversations/here", "", 400, "invalid"},
		{"GET", "/v1/nothing", "", 404, "not_found"},
		{"DELETE", "/v1/conversations", "", 404, "not_found"},
	} {
		status, answer := n.callText("alice", bad.method, bad.path, bad.body)
		name := bad.method + " " + bad.path + " " + bad.body[:min(len(bad.body), 120)]
		require.Equal(t, bad.status, status, "%s: %s", name, answer)
		require.Equal(t, bad.code, decode[sent](t, answer).Code, "%s: %s", name, answer)
	}
	_, events := n.call("alice", "GET", base+"/events", nil)
	require.Len(t, decode[page](t, events).Events, 1, "nothing was stored")
}
