package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"im/domain"
)

// TestOperationsAnswerAsDescribed makes calls of every operation that succeed.
// The test server checks each answer against openapi.yaml. At the end every
// described status must have been answered.
func TestOperationsAnswerAsDescribed(t *testing.T) {
	down := false
	s := newTestServer(t, func(o *Options) {
		o.Checks = []Check{{Name: "postgres", Ask: func(context.Context) error {
			if down {
				return errors.New("down")
			}
			return nil
		}}}
	})
	const group = `{"kind":"group","members":["bob","carol"],"title":"Release","metadata":{"a":1},"settings":{"posting":"everyone"},"client_conversation_id":"g-1"}`
	made := s.call(t, "alice", "POST", "/v1/conversations", group).want(t, 201)
	var view domain.ConversationView
	if err := json.Unmarshal(made.body, &view); err != nil {
		t.Fatal(err)
	}
	if again := s.call(t, "alice", "POST", "/v1/conversations", group).want(t, 200); string(again.body) != string(made.body) {
		t.Errorf("the repeated call: %s", again.body)
	}
	s.call(t, "alice", "POST", "/v1/conversations", `{"kind":"group","members":[],"client_conversation_id":"g-1"}`).
		refused(t, domain.CodeIdempotencyConflict, "")
	base := "/v1/conversations/" + view.ConversationID.String()

	s.call(t, "alice", "POST", "/v1/conversations", `{"kind":"direct","members":["bob"],"title":null,"metadata":null}`).want(t, 201)
	s.call(t, "bob", "POST", "/v1/conversations", `{"kind":"direct","members":["alice"]}`).want(t, 200)
	s.call(t, "alice", "GET", "/v1/conversations?limit=1", "").want(t, 200)
	s.call(t, "alice", "GET", "/v1/conversations?limit=1&cursor=1", "").want(t, 200)
	s.call(t, "alice", "GET", base, "").want(t, 200)

	updated := s.call(t, "alice", "PATCH", base, `{"title":null,"avatar_url":"https://example.org/a.png","settings":{"posting":"admins"},"metadata":null}`).want(t, 200).event(t)
	if updated.Type != domain.ConversationUpdated || !strings.Contains(string(updated.Body), `"title":null`) {
		t.Errorf("updated: %s", updated.Body)
	}
	s.call(t, "alice", "PATCH", base, `{"title":null}`).want(t, 204)
	s.call(t, "alice", "PATCH", base, `{}`).want(t, 204)
	s.call(t, "alice", "PATCH", base, `{"settings":{"posting":"everyone"}}`).want(t, 200)

	s.call(t, "zoe", "GET", base, "").refused(t, domain.CodeNotFound, "")
	s.call(t, "alice", "PATCH", base, `{"settings":{"joining":"open"}}`).want(t, 200)
	open := s.call(t, "zoe", "GET", base, "").want(t, 200)
	if want := `{"conversation_id":"` + view.ConversationID.String() + `","title":null,"avatar_url":"https://example.org/a.png","member_count":3}`; string(open.body) != want {
		t.Errorf("an open group: %s", open.body)
	}
	s.call(t, "zoe", "PUT", base+"/members/zoe", `{"role":"admin"}`).refused(t, domain.CodeForbidden, "")
	s.call(t, "zoe", "PUT", base+"/members/zoe", `{"role":"member"}`).want(t, 201)
	s.call(t, "zoe", "DELETE", base+"/members/zoe", "").want(t, 200)
	s.call(t, "alice", "PATCH", base, `{"settings":{"joining":"invite"}}`).want(t, 200)

	s.call(t, "bob", "GET", base+"/members", "").want(t, 200)
	s.call(t, "bob", "GET", "/v1/presence?user_id=alice", "").want(t, 200)
	receipts := s.call(t, "bob", "GET", base+"/receipts?limit=1&cursor=1", "").want(t, 200)
	if want := `{"items":[{"user_id":"bob","delivered_seq":0,"read_seq":0}],"next_cursor":"2"}`; string(receipts.body) != want {
		t.Errorf("receipts: %s", receipts.body)
	}
	s.call(t, "!shop", "GET", base+"/messages/1/trace", "").want(t, 200)
	callAttachments(t, s)
	callPush(t, s)
	s.call(t, "eve", "GET", base+"/receipts", "").refused(t, domain.CodeNotFound, "")
	added := s.call(t, "alice", "POST", base+"/members", `{"user_ids":["dave","erin"]}`).want(t, 200)
	if n := strings.Count(string(added.body), `"member.added"`); n != 2 {
		t.Errorf("%d events: %s", n, added.body)
	}
	s.call(t, "alice", "POST", base+"/members", `{"user_ids":["dave"],"role":"member"}`).want(t, 204)
	if e := s.call(t, "alice", "PUT", base+"/members/a|b", `{"role":"member"}`).want(t, 201).event(t); e.Type != domain.MemberAdded {
		t.Errorf("added: %s", e.Type)
	}
	if e := s.call(t, "alice", "PUT", base+"/members/bob", `{"role":"admin"}`).want(t, 200).event(t); e.Type != domain.MemberRoleChanged {
		t.Errorf("role changed: %s", e.Type)
	}
	s.call(t, "alice", "PUT", base+"/members/bob", `{"role":"admin"}`).want(t, 204)
	s.call(t, "alice", "DELETE", base+"/members/erin", "").want(t, 200)
	s.call(t, "alice", "DELETE", base+"/members/erin", "").want(t, 204)

	const message = `{"client_msg_id":"c-1","content":{"type":"text","text":"<Hello> \u00e9"},"mentions":["bob","*"],"metadata":{"x":[1]}}`
	sent := s.call(t, "alice", "POST", base+"/messages", message).want(t, 201)
	if again := s.call(t, "alice", "POST", base+"/messages", message).want(t, 200); string(again.body) != string(sent.body) {
		t.Errorf("duplicate: %s", again.body)
	}
	s.call(t, "alice", "POST", base+"/messages", `{"client_msg_id":"c-1","content":{"type":"text","text":"other"}}`).
		refused(t, domain.CodeIdempotencyConflict, "")
	s.call(t, "alice", "POST", base+"/messages", `{"client_msg_id":"c-2","content":{"type":"custom","biz_type":"order","data":null},"reply_to":`+itoa(sent.event(t).Seq)+`}`).want(t, 201)
	s.call(t, "bob", "POST", "/v1/messages", `{"to":"carol","client_msg_id":"c-1","content":{"type":"text","text":"Hi"}}`).want(t, 201)
	s.call(t, "bob", "POST", "/v1/messages", `{"to":"carol","client_msg_id":"c-1","content":{"type":"text","text":"Hi"}}`).want(t, 200)

	e := sent.event(t)
	one := base + "/messages/" + itoa(e.Seq)
	if e := s.call(t, "alice", "PATCH", one, `{"content":{"type":"text","text":"edited"},"mentions":[]}`).want(t, 200).event(t); e.Type != domain.MessageEdited {
		t.Errorf("edited: %s", e.Type)
	}
	s.call(t, "alice", "PATCH", one, `{"content":{"text":"edited","type":"text"}}`).want(t, 204)
	if e := s.call(t, "bob", "PUT", one+"/reactions/%F0%9F%91%8D", "").want(t, 200).event(t); !strings.Contains(string(e.Body), `"emoji":"👍"`) {
		t.Errorf("reacted: %s", e.Body)
	}
	s.call(t, "bob", "PUT", one+"/reactions/%F0%9F%91%8D", "").want(t, 204)
	s.call(t, "bob", "GET", one+"/reactions?limit=1", "").want(t, 200)
	s.call(t, "bob", "PUT", one+"/pin", "").want(t, 200)
	s.call(t, "bob", "PUT", one+"/pin", "").want(t, 204)
	s.call(t, "bob", "GET", one, "").want(t, 200)
	s.call(t, "bob", "GET", base+"/pins", "").want(t, 200)
	s.call(t, "alice", "DELETE", one+"/pin", "").want(t, 200)
	s.call(t, "alice", "DELETE", one+"/pin", "").want(t, 204)
	s.call(t, "bob", "DELETE", one+"/reactions/%F0%9F%91%8D", "").want(t, 200)
	s.call(t, "bob", "DELETE", one+"/reactions/%F0%9F%91%8D", "").want(t, 204)
	if e := s.call(t, "bob", "DELETE", one+"?reason=rude", "").want(t, 200).event(t); string(e.Body) != `{"target_seq":`+itoa(sent.event(t).Seq)+`,"reason":"rude"}` {
		t.Errorf("recalled: %s", e.Body)
	}
	s.call(t, "alice", "DELETE", one, "").want(t, 204)
	s.call(t, "bob", "GET", base+"/messages?as_of=2026-01-02T03:04:05.5Z", "").want(t, 200)
	s.call(t, "bob", "GET", base+"/messages?around_at=2026-01-02T03:04:05.5Z", "").want(t, 200)
	s.call(t, "bob", "GET", base+"/messages/"+itoa(e.Seq), "").want(t, 200)
	s.call(t, "bob", "GET", base+"/events?after_seq=0&limit=1000", "").want(t, 200)
	s.call(t, "bob", "PUT", base+"/read", `{"seq":9223372036854775807}`).want(t, 200)
	s.call(t, "bob", "PUT", base+"/ack", `{"device_id":"phone","seq":3}`).want(t, 204)
	s.call(t, "bob", "GET", "/v1/sync?timeline_limit=50&limit=1", "").want(t, 200)
	s.call(t, "bob", "GET", "/v1/sync?device_id=phone", "").want(t, 200)

	moderationOperations(t, s, base)
	webhookOperations(t, s)
	searchOperations(t, s, view.ConversationID.String())
	userOperations(t, s)

	s.call(t, "", "GET", "/healthz", "").want(t, 200)
	s.call(t, "", "GET", "/readyz", "").want(t, 200)
	down = true
	s.call(t, "", "GET", "/readyz", "").want(t, 503)
	for path, text := range map[string]string{"/openapi.yaml": "openapi: 3.0.3\n", "/asyncapi.yaml": "asyncapi: 3.0.0\n"} {
		if got := s.call(t, "", "GET", path, "").want(t, 200); string(got.body) != text {
			t.Errorf("%s: %s", path, got.body)
		}
	}

	for _, r := range s.spec.operations {
		for status := range r.doc["responses"].(map[string]any) {
			if status != "default" && !r.seen[status] {
				t.Errorf("%s %s was never answered with %s", r.method, r.template, status)
			}
		}
	}
}

func TestOperationsAreAllServed(t *testing.T) {
	s := newTestServer(t)
	filled := strings.NewReplacer(
		"{conversation_id}", domain.ConversationID{1}.String(), "{user_id}", "bob", "{seq}", "1", "{session_id}", "S1", "{webhook_id}", reportID, "{report_id}", reportID, "{emoji}", "x")
	for _, r := range s.spec.operations {
		got := s.call(t, "", r.method, filled.Replace(r.template), "")
		if strings.HasPrefix(r.template, "/v1/") {
			got.refused(t, domain.CodeUnauthenticated, "")
		} else {
			got.want(t, 200)
		}
		if _, ok := r.doc["responses"].(map[string]any)["default"]; !ok {
			t.Errorf("%s %s has no default response", r.method, r.template)
		}
	}
}

func TestEventsHaveTheSameBytesEverywhere(t *testing.T) {
	s := newTestServer(t)
	base := "/v1/conversations/" + s.group(t).String()
	const content = `{ "type" : "text",  "text":"a<b & \u2028 é" }`
	sent := s.call(t, "alice", "POST", base+"/messages", `{"client_msg_id":"c","content":`+content+`}`).want(t, 201)
	if !strings.Contains(string(sent.body), content) {
		t.Errorf("the content was encoded again: %s", sent.body)
	}
	if page := s.call(t, "bob", "GET", base+"/events", "").want(t, 200); !strings.Contains(string(page.body), string(sent.body)) {
		t.Errorf("the event has other bytes in a page: %s", page.body)
	}
	view := s.call(t, "bob", "GET", base+"/messages/"+itoa(sent.event(t).Seq), "").want(t, 200)
	if !strings.Contains(string(view.body), `"text":"a<b & \u2028 é"`) {
		t.Errorf("the message was escaped: %s", view.body)
	}
}

func TestPutMemberOwnerAnswersWithTheUsersEvent(t *testing.T) {
	s := newTestServer(t)
	base := "/v1/conversations/" + s.group(t).String()
	for _, call := range [][3]string{{"PUT", "bob", `{"role":"owner"}`}, {"DELETE", "bob", ""}} {
		token := "alice"
		if call[0] == "DELETE" {
			token = "bob" // the new owner leaves and transfers the ownership
		}
		var body domain.MemberRole
		if err := json.Unmarshal(s.call(t, token, call[0], base+"/members/"+call[1], call[2]).want(t, 200).event(t).Body, &body); err != nil {
			t.Fatal(err)
		}
		if body.UserID != "bob" {
			t.Errorf("%s: the event is about %s", call[0], body.UserID)
		}
	}
}

func TestFromFindsTheUsersEvent(t *testing.T) {
	events := []domain.Event{{Seq: 1, Body: []byte(`{"user_id":"a","role":"admin"}`)}, {Seq: 2, Body: []byte(`{"user_id":"b","role":"owner"}`)}}
	for user, seq := range map[domain.UserID]int64{"a": 1, "b": 2, "c": 1} {
		if got := from(user, events); got[0].Seq != seq {
			t.Errorf("%s: event %d, want %d", user, got[0].Seq, seq)
		}
	}
}

func TestMarkReadSignalsAllSessionsOfTheUser(t *testing.T) {
	s := newTestServer(t)
	id := s.group(t)
	s.call(t, "bob", "PUT", "/v1/conversations/"+id.String()+"/read", `{"seq":2}`).want(t, 200)
	const frame = `{"type":"read_state","conversation_id":"%","read_seq":2,"unread_count":0,"mention_count":0,"unread_total":0}`
	want := strings.Replace(frame, "%", id.String(), 1)
	if len(s.signals) != 1 || s.userFrame(t, 0).User != "bob" || string(s.userFrame(t, 0).Frame) != want {
		t.Fatalf("signals: %+v", s.signals)
	}
}

func TestAckAndSyncUseTheDevice(t *testing.T) {
	s := newTestServer(t)
	base := "/v1/conversations/" + s.group(t).String()
	s.call(t, "bob/phone", "PUT", base+"/ack", `{"device_id":"phone","seq":3}`).want(t, 204)
	s.call(t, "bob/phone", "PUT", base+"/ack", `{"device_id":"laptop","seq":3}`).refused(t, domain.CodeInvalid, "/device_id")
	s.call(t, "eve", "PUT", base+"/ack", `{"device_id":"phone","seq":3}`).refused(t, domain.CodeNotFound, "")
	if len(s.acks) != 1 || s.acks[0].User != "bob" || s.acks[0].Device != "phone" || s.acks[0].Seq != 3 {
		t.Errorf("acks: %+v", s.acks)
	}
	s.call(t, "bob/phone", "GET", "/v1/sync", "").want(t, 200)
	if want := (domain.SyncQuery{User: "bob", Device: "phone", Limit: 100}); s.lastSync != want {
		t.Errorf("query %+v, want %+v", s.lastSync, want)
	}
	s.call(t, "bob/phone", "GET", "/v1/sync?device_id=laptop", "").refused(t, domain.CodeInvalid, "/device_id")
	s.call(t, "bob/phone", "GET", "/v1/conversations", "").want(t, 200)
	if s.listDevice != "phone" {
		t.Errorf("the list is for device %q", s.listDevice)
	}
}

func TestListsPassOnTheirParameters(t *testing.T) {
	s := newTestServer(t)
	base := "/v1/conversations/" + s.group(t).String()
	s.call(t, "bob", "GET", base+"/messages?seq=3&seq=7&limit=1000", "").want(t, 200)
	if !slices.Equal(s.lastRange.Seqs, []int64{3, 7}) || s.lastRange.Limit != 1000 || s.lastRange.AfterSeq != nil {
		t.Errorf("range %+v", s.lastRange)
	}
	s.call(t, "bob", "GET", base+"/messages?around_seq=5", "").want(t, 200)
	if s.lastRange.AroundSeq == nil || *s.lastRange.AroundSeq != 5 || s.lastRange.Limit != 100 {
		t.Errorf("range %+v", s.lastRange)
	}
	s.call(t, "bob", "GET", base+"/messages?around_at=2026-01-02T05:04:05.123456789%2B02:00", "").want(t, 200)
	if at, err := json.Marshal(s.lastRange.AroundAt); err != nil || string(at) != `"2026-01-02T03:04:05.123456Z"` {
		t.Errorf("around_at %s, %v", at, err)
	}
	s.call(t, "bob", "GET", base+"/messages?as_of_seq=5&before_seq=4", "").want(t, 200)
	if s.lastRange.AsOfSeq == nil || *s.lastRange.AsOfSeq != 5 || s.lastRange.BeforeSeq == nil || s.lastRange.AsOf != nil {
		t.Errorf("range %+v", s.lastRange)
	}
	s.call(t, "bob", "GET", base+"/messages?as_of=2026-01-02T05:04:05.123456789%2B02:00", "").want(t, 200)
	if at, err := json.Marshal(s.lastRange.AsOf); err != nil || string(at) != `"2026-01-02T03:04:05.123456Z"` {
		t.Errorf("as_of %s, %v", at, err)
	}
	s.call(t, "bob", "GET", base+"/events?before_seq=9", "").want(t, 200)
	if s.lastRange.BeforeSeq == nil || *s.lastRange.BeforeSeq != 9 || s.lastRange.AfterSeq != nil {
		t.Errorf("range %+v", s.lastRange)
	}
	s.call(t, "bob", "GET", base+"/events?after_seq=0", "").want(t, 200)
	if s.lastRange.AfterSeq == nil || *s.lastRange.AfterSeq != 0 {
		t.Errorf("range %+v", s.lastRange)
	}
}

func TestBackendActsForUsersAndAsItself(t *testing.T) {
	s := newTestServer(t)
	base := "/v1/conversations/" + s.group(t).String()
	const message = `{"client_msg_id":"c","content":{"type":"text","text":"Hi"}}`
	if e := s.call(t, "!shop", "POST", base+"/messages", message).want(t, 201).event(t); e.Sender != "shop" {
		t.Errorf("as itself: the sender is %s", e.Sender)
	}
	if e := s.call(t, "!shop", "POST", base+"/messages", message, "X-IM-User: carol").want(t, 201).event(t); e.Sender != "carol" {
		t.Errorf("for carol: the sender is %s", e.Sender)
	}
	// A backend that acts for a user has the user's rights.
	s.call(t, "!shop", "GET", base, "", "X-IM-User: eve").refused(t, domain.CodeNotFound, "")
	s.call(t, "!shop", "PATCH", base, `{"title":"x"}`, "X-IM-User: carol").refused(t, domain.CodeForbidden, "")
	s.call(t, "!shop", "PATCH", base, `{"title":"x"}`).want(t, 200)
	s.call(t, "!shop", "GET", "/v1/sync", "").want(t, 200)
	if s.lastSync.User != "shop" {
		t.Errorf("sync of %s", s.lastSync.User)
	}
	s.call(t, "alice", "GET", base, "", "X-IM-User: alice").refused(t, domain.CodeForbidden, "")
	s.call(t, "!shop", "GET", base, "", "X-IM-User: a b").refused(t, domain.CodeInvalid, "/X-IM-User")
	s.call(t, "!shop", "GET", base, "", "X-IM-User: ").refused(t, domain.CodeInvalid, "/X-IM-User")
	s.call(t, "!shop", "GET", base, "", "X-IM-User: alice", "X-IM-User: bob").refused(t, domain.CodeInvalid, "/X-IM-User")
}

// TestI8ConversationsAreHiddenFromNonMembers makes every call on a conversation as
// users who are not members, and without a valid token.
func TestI8ConversationsAreHiddenFromNonMembers(t *testing.T) {
	s := newTestServer(t)
	base := "/v1/conversations/" + s.group(t).String()
	s.call(t, "alice", "POST", base+"/messages", `{"client_msg_id":"c","content":{"type":"text","text":"Hi"}}`).want(t, 201)
	nowhere := "/v1/conversations/" + domain.ConversationID{1}.String()
	calls := [][3]string{
		{"GET", "", ""},
		{"PATCH", "", `{"title":"x"}`},
		{"GET", "/members", ""},
		{"POST", "/members", `{"user_ids":["eve"]}`},
		{"PUT", "/members/eve", `{"role":"member"}`},
		{"PUT", "/members/bob", `{"role":"member"}`},
		{"DELETE", "/members/bob", ""},
		{"DELETE", "/members/eve", ""},
		{"POST", "/messages", `{"client_msg_id":"c","content":{"type":"text","text":"Hi"}}`},
		{"GET", "/messages", ""},
		{"GET", "/messages/4", ""},
		{"GET", "/messages?as_of_seq=1", ""},
		{"PATCH", "/messages/4", `{"content":{"type":"text","text":"Hi"}}`},
		{"DELETE", "/messages/4", ""},
		{"GET", "/messages/4/reactions", ""},
		{"PUT", "/messages/4/reactions/x", ""},
		{"DELETE", "/messages/4/reactions/x", ""},
		{"PUT", "/messages/4/pin", ""},
		{"DELETE", "/messages/4/pin", ""},
		{"GET", "/pins", ""},
		{"GET", "/events", ""},
		{"PUT", "/read", `{"seq":1}`},
		{"PUT", "/ack", `{"device_id":"d","seq":1}`},
		{"GET", "/preferences", ""},
		{"PATCH", "/preferences", `{"pinned":true}`},
	}
	for _, c := range calls {
		method, path, body := c[0], c[1], c[2]
		t.Run(method+path, func(t *testing.T) {
			for token, code := range map[string]domain.Code{
				"":             domain.CodeUnauthenticated,
				"forged":       domain.CodeUnauthenticated,
				"expired":      domain.CodeTokenExpired,
				"unverifiable": domain.CodeUnavailable,
				"eve":          domain.CodeNotFound,
				"dave":         domain.CodeNotFound, // a former member
			} {
				s.call(t, token, method, base+path, body).refused(t, code, "")
			}
			s.call(t, "eve", method, base+path, body, "X-IM-User: alice").refused(t, domain.CodeForbidden, "")
			here, there := s.call(t, "eve", method, base+path, body), s.call(t, "eve", method, nowhere+path, body)
			if string(here.body) != string(there.body) {
				t.Errorf("a hidden conversation has another answer than a missing one:\n%s\n%s", here.body, there.body)
			}
		})
	}
	if len(s.acks)+len(s.signals) > 0 {
		t.Errorf("calls of non-members had effects: %v %v", s.acks, s.signals)
	}
	for _, path := range []string{"/v1/conversations", "/v1/sync"} {
		if got := s.call(t, "dave", "GET", path, "").want(t, 200); strings.Contains(string(got.body), `"conversation_id"`) {
			t.Errorf("%s shows a former member: %s", path, got.body)
		}
	}
	if got := s.call(t, "", "GET", base, ""); got.Header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("401 without WWW-Authenticate: %v", got.Header)
	}
	s.call(t, "", "GET", base, "", "Authorization: Basic YTpi").want(t, http.StatusUnauthorized)
}
