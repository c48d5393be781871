package realtime

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"im"
	"im/domain"
)

// TestEveryFrameIsServed: each message of asyncapi.yaml is accepted or sent.
// That it is as described, every socket of a site makes sure.
func TestEveryFrameIsServed(t *testing.T) {
	s := newSite(t, func(o *GatewayOptions) { o.QueueBytes, o.Drain = 16<<10, time.Millisecond })
	id := s.w.create("alice", "bob").String()
	p := s.hello("alice", "1")
	ask := func(frame, answer string) {
		t.Helper()
		p.send(strings.ReplaceAll(frame, "{id}", id))
		if answer != "" {
			p.expect(answer)
		}
	}
	ask(`{"type":"hello","device_id":"1","token":"alice","background":true}`, "welcome")
	ask(`{"type":"sync","id":"r1","cursor":"c","limit":500,"timeline_limit":50}`, "sync_page")
	ask(`{"type":"pull","id":"r2","conversation_id":"{id}","after_seq":0,"limit":10}`, "page")
	ask(`{"type":"pull","id":"r3","conversation_id":"{id}","before_seq":9223372036854775807}`, "page")
	ask(`{"type":"read","id":"r4","conversation_id":"{id}","seq":9223372036854775807}`, "read_state")
	ask(`{"type":"read","conversation_id":"{id}","seq":0}`, "read_state")
	ask(`{"type":"ack","acks":{"{id}":1}}`, "")
	ask(`{"type":"ack","acks":{}}`, "")
	ask(`{"type":"ping","id":"r5","background":false}`, "pong")
	ask(`{"type":"send","id":"r6","to":"carol","client_msg_id":"c","content":{"type":"text","text":"x"}}`, "error")
	ask(`{"type":"watch","user_ids":["carol"]}`, "presence")
	receipts := NewReceipts(&ledger{rooms: map[domain.ConversationID]domain.SignalScope{must(domain.ParseConversationID("", id)): {Members: 2, Receipts: true}}}, s.hub, nil)
	_, err := receipts.MarkRead(t.Context(), domain.Actor{User: "bob"}, must(domain.ParseConversationID("", id)), 1)
	require.NoError(t, err)
	receipts.flush(t.Context())
	p.expect("receipt")
	ask(`{"type":"typing","conversation_id":"{id}","on":false}`, "")
	typist := s.hello("bob", "1")
	typist.send(`{"type":"typing","conversation_id":"` + id + `"}`)
	p.expect("typing")
	_ = typist.ws.Close()
	p.expect("typing")

	group := domain.NewConversationID(time.Now())
	member := domain.MemberRole{UserID: "alice", Role: domain.RoleOwner}
	s.w.append(group, domain.ConversationCreated, "x", "", domain.CreatedBody{
		Kind: domain.Group, Settings: domain.DefaultSettings(), Members: []domain.MemberRole{member},
	})
	p.expect("conversation")
	p.expect("event")
	title := "Release"
	s.w.append(group, domain.ConversationUpdated, "x", "", domain.UpdatedBody{Title: domain.Field[string]{Set: true, Value: &title}})
	s.w.append(group, domain.MemberRoleChanged, "x", "", domain.MemberRole{UserID: "alice", Role: domain.RoleAdmin})
	s.w.add(group, "bob")
	s.w.remove(group, "alice")
	for range 4 {
		p.expect("event")
	}
	for i, content := range []string{
		`{"type":"text","text":"x"}`, `{"type":"image","url":"u","width":1}`, `{"type":"file","attachment_id":"a"}`,
		`{"type":"audio","url":"u","duration_ms":1}`, `{"type":"video","url":"u"}`, `{"type":"custom","biz_type":"b","data":null}`,
	} {
		p.send(fmt.Sprintf(`{"type":"send","id":"s%d","conversation_id":"%s","client_msg_id":"c%d","content":%s}`, i, id, i, content))
		kinds := []any{p.expectAny()["type"], p.expectAny()["type"]}
		require.ElementsMatch(t, []any{"sent", "event"}, kinds)
		s.w.append(must(domain.ParseConversationID("", id)), domain.MessagePosted, "bob", "m", map[string]any{"content": json.RawMessage(content)})
		p.expect("event")
	}
	for _, about := range []struct {
		kind domain.EventType
		body any
	}{
		{domain.MessageEdited, domain.EditedBody{TargetSeq: 2, Content: json.RawMessage(`{"type":"text","text":"y"}`)}},
		{domain.MessageRecalled, domain.RecalledBody{TargetSeq: 2, Reason: "r"}},
		{domain.ReactionAdded, domain.ReactionBody{TargetSeq: 2, Emoji: "x"}},
		{domain.ReactionRemoved, domain.ReactionBody{TargetSeq: 2, Emoji: "x"}},
		{domain.MessagePinned, domain.PinBody{TargetSeq: 2}},
		{domain.MessageUnpinned, domain.PinBody{TargetSeq: 2}},
	} {
		s.w.append(must(domain.ParseConversationID("", id)), about.kind, "bob", "", about.body)
		p.expect("event")
	}
	notice := json.RawMessage(`{"type":"notice","notice_id":"n","biz_type":"b","data":null}`)
	for _, signal := range []domain.Signal{domain.UserFrame{User: "alice", Frame: notice}, domain.Broadcast{Frame: notice}} {
		s.hub.Signal(signal)
		p.expect("notice")
	}
	large, err := json.Marshal(strings.Repeat("x", 17<<10)) // beyond what may wait for a socket
	require.NoError(t, err)
	s.w.append(must(domain.ParseConversationID("", id)), domain.MessagePosted, "bob", "m",
		map[string]any{"content": json.RawMessage(`{"type":"text","text":` + string(large) + `}`)})
	p.expect("gap")
	go func() { _ = s.gateway.Drain(context.Background()) }()
	p.expect("drain")
	p.expectClose(4000)

	p.asked.judge()
	require.Empty(t, s.judge.unseen(s.judge.ClientMessages()), "described, but not accepted")
	require.Empty(t, s.judge.unseen(s.judge.ServerMessages()), "described, but not sent")
}

func (p *peer) expectAny() answer {
	p.t.Helper()
	a, err := p.receive()
	require.NoError(p.t, err)
	return a
}

// TestRefusedAsDescribed: what the server refuses in a field of a frame, the
// description refuses too, and the other way round.
func TestRefusedAsDescribed(t *testing.T) {
	s := newSite(t, nil)
	p := s.hello("alice", "1")
	tried := 0
	for _, c := range []struct{ frame, fields string }{ // the domain judges the other fields of send
		{`{"type":"sync","id":"r","cursor":"c","limit":1,"timeline_limit":1}`, "type id cursor limit timeline_limit more"},
		{`{"type":"pull","id":"r","conversation_id":"{id}","after_seq":0,"limit":1}`, "type id conversation_id after_seq limit before_seq more"},
		{`{"type":"read","id":"r","conversation_id":"{id}","seq":1}`, "type id conversation_id seq more"},
		{`{"type":"send","id":"r","client_msg_id":"c","to":"bob","content":{"type":"text","text":"x"}}`, "type id to conversation_id more"},
		{`{"type":"ack","acks":{"{id}":1}}`, "type id acks more"},
		{`{"type":"typing","conversation_id":"{id}","on":true}`, "type id conversation_id on more"},
		{`{"type":"watch","user_ids":["bob"]}`, "type id user_ids more"},
		{`{"type":"ping","id":"r","background":true}`, "type id background more"},
		{`{"type":"hello","device_id":"1","token":"alice"}`, "type id device_id background more"},
	} {
		for _, name := range strings.Fields(c.fields) {
			for _, value := range []any{nil, true, -1, 1.5, "", strings.Repeat("x", 200), "..", []any{1}, map[string]any{"x": nil}} {
				var frame map[string]any
				require.NoError(t, json.Unmarshal([]byte(strings.ReplaceAll(c.frame, "{id}", "0198c5de-0000-7000-8000-000000000001")), &frame))
				frame[name] = value
				text, err := json.Marshal(frame)
				require.NoError(t, err)
				_, refusable := s.judge.FromClient(text)
				require.Equal(t, p.refuses(string(text)), refusable != nil, "%s\n%v", text, refusable)
				tried++
			}
		}
	}
	require.Greater(t, tried, 300)
}

// refuses sends a frame, and tells whether the server calls it invalid.
func (p *peer) refuses(frame string) bool {
	p.t.Helper()
	for _, text := range []string{frame, `{"type":"ping","id":"after"}`} { // an ack has no answer
		require.NoError(p.t, p.ws.WriteMessage(websocket.TextMessage, []byte(text)))
	}
	refused := false
	for a := p.expectAny(); a["id"] != "after"; a = p.expectAny() {
		refused = refused || a["code"] == "invalid" && a["fields"].(map[string]any)["/device_id"] != "is not the device of the session"
	}
	return refused
}

// TestCloseCodes: the description names every code, and its reason.
func TestCloseCodes(t *testing.T) {
	text := string(im.AsyncAPI())
	codes := 0
	for code := closeTooLarge; code < 5000; code++ {
		if reason := code.String(); reason != "" && code != closePanic {
			require.Contains(t, text, fmt.Sprintf("%d %s", code, reason))
			codes++
		}
	}
	require.GreaterOrEqual(t, codes, 12)
}
