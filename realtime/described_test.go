package realtime

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/realtime/presence"
	"im/realtime/realtimetest"
)

// TestEveryFrameIsServed: each message of asyncapi.yaml is accepted or sent. Every
// client of a testServer checks that it is as described.
func TestEveryFrameIsServed(t *testing.T) {
	s := newTestServer(t, func(o *GatewayOptions) { o.QueueBytes, o.DrainSpread = 16<<10, time.Millisecond })
	id := s.store.NewGroup("alice", "bob").String()
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
	conversation := must(domain.ParseConversationID("", id))
	receipts := presence.NewReceipts(receiptPositions{s.store}, s.hub, slog.New(slog.DiscardHandler))
	_, err := receipts.MarkRead(t.Context(), domain.Actor{User: "bob"}, conversation, 1)
	require.NoError(t, err)
	ended, end := context.WithCancel(t.Context())
	end()
	require.NoError(t, receipts.Run(ended), "sends what waits")
	p.expect("receipt")
	ask(`{"type":"typing","conversation_id":"{id}","on":false}`, "")
	typist := s.hello("bob", "1")
	typist.send(`{"type":"typing","conversation_id":"` + id + `"}`)
	p.expect("typing")
	_ = typist.ws.Close()
	p.expect("typing")

	group := domain.NewConversationID(time.Now())
	member := domain.MemberRole{UserID: "alice", Role: domain.RoleOwner}
	s.store.NewConversation(domain.NewConversation{ID: group, Creator: "x", Created: domain.CreatedBody{
		Kind: domain.Group, Settings: domain.DefaultSettings(), Members: []domain.MemberRole{member},
	}})
	p.expect("conversation")
	p.expect("event")
	title := "Release"
	s.store.AppendOne(group, domain.ConversationUpdated, "x", "", domain.UpdatedBody{Title: domain.Field[string]{Set: true, Value: &title}})
	s.store.AppendOne(group, domain.MemberRoleChanged, "x", "", domain.MemberRole{UserID: "alice", Role: domain.RoleAdmin})
	s.store.AddMember(group, "bob")
	s.store.RemoveMember(group, "alice")
	for range 4 {
		p.expect("event")
	}
	for i, content := range []string{
		`{"type":"text","text":"x"}`, `{"type":"image","url":"u","width":1}`, `{"type":"file","url":"u","name":"n"}`,
		`{"type":"audio","url":"u","duration_ms":1}`, `{"type":"video","url":"u"}`, `{"type":"custom","biz_type":"b","data":null}`,
	} {
		p.send(fmt.Sprintf(`{"type":"send","id":"s%d","conversation_id":"%s","client_msg_id":"c%d","content":%s}`, i, id, i, content))
		kinds := []any{p.expectAny()["type"], p.expectAny()["type"]}
		require.ElementsMatch(t, []any{"sent", "event"}, kinds)
		s.store.AppendOne(conversation, domain.MessagePosted, "bob", "m", map[string]any{"content": json.RawMessage(content)})
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
		{domain.MemberBanned, domain.SanctionBody{UserID: "eve", Until: new(domain.TimeOf(time.Now())), Reason: "r"}},
		{domain.MemberUnbanned, domain.SanctionBody{UserID: "eve"}},
		{domain.MemberMuted, domain.SanctionBody{UserID: "bob"}},
		{domain.MemberUnmuted, domain.SanctionBody{UserID: "bob"}},
	} {
		s.store.AppendOne(conversation, about.kind, "bob", "", about.body)
		p.expect("event")
	}
	notice := json.RawMessage(`{"type":"notice","notice_id":"n","biz_type":"b","data":null}`)
	for _, signal := range []domain.Signal{domain.UserFrame{User: "alice", Frame: notice}, domain.Broadcast{Frame: notice}} {
		s.hub.Signal(signal)
		p.expect("notice")
	}
	large, err := json.Marshal(strings.Repeat("x", 17<<10)) // more than the queue may hold
	require.NoError(t, err)
	s.store.AppendOne(conversation, domain.MessagePosted, "bob", "m",
		map[string]any{"content": json.RawMessage(`{"type":"text","text":` + string(large) + `}`)})
	p.expect("gap")
	go func() { _ = s.gateway.Drain(context.Background()) }()
	p.expect("drain")
	p.expectClose(4000)

	p.sent.check()
	require.Empty(t, s.checker.unseen(s.checker.ClientMessages()), "described, but not accepted")
	require.Empty(t, s.checker.unseen(s.checker.ServerMessages()), "described, but not sent")
}

// TestRefusedAsDescribed: the server refuses the value of a field if and only if the
// description does.
func TestRefusedAsDescribed(t *testing.T) {
	s := newTestServer(t, nil)
	p := s.hello("alice", "1")
	tried := 0
	for _, c := range []struct{ frame, fields string }{ // the domain checks the other fields of send
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
				_, refused := s.checker.FromClient(text)
				require.Equal(t, p.refuses(string(text)), refused != nil, "%s\n%v", text, refused)
				tried++
			}
		}
	}
	require.Greater(t, tried, 300)
}

// refuses sends a frame, and reports whether the server calls it invalid.
func (p *client) refuses(frame string) bool {
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

// receiptPositions are the positions of a store in which every conversation has
// receipts.
type receiptPositions struct{ *realtimetest.Store }

func (receiptPositions) Deliver(context.Context, []domain.Ack) ([]domain.Receipt, error) {
	return nil, nil
}

func (receiptPositions) SignalScopes(_ context.Context, ids []domain.ConversationID) (map[domain.ConversationID]domain.SignalScope, error) {
	scopes := make(map[domain.ConversationID]domain.SignalScope)
	for _, id := range ids {
		scopes[id] = domain.SignalScope{Members: 2, Receipts: true}
	}
	return scopes, nil
}
