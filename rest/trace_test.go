package rest

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"im/domain"
)

func (w *world) Trace(ctx context.Context, id domain.ConversationID, seq int64, cursor string, limit int) (domain.Trace, error) {
	r, err := w.enter(ctx, domain.Actor{Backend: true}, id)
	if err != nil {
		return domain.Trace{}, err
	}
	defer w.mu.Unlock()
	if seq > r.state.Head {
		return domain.Trace{}, domain.ErrNotFound
	}
	var list []domain.TraceMember
	for _, user := range r.state.Audience() {
		list = append(list, domain.TraceMember{
			UserID: user, Delivered: true, DeliveredSeq: seq,
			Devices: []domain.TraceDevice{{DeviceID: "phone", AckedSeq: seq, Acked: true}},
		})
	}
	p, err := pageOf(list, cursor, limit)
	return domain.Trace{
		ConversationID: id, Seq: seq, Sender: "alice", Committed: domain.TraceCommit{At: domain.TimeOf(w.clock), Node: new("n")},
		Items: p.Items, NextCursor: p.NextCursor,
	}, err
}

func (w *world) SessionsOfEach(ctx context.Context, users []domain.UserID) (map[domain.UserID][]domain.LiveSession, error) {
	each := map[domain.UserID][]domain.LiveSession{}
	for _, user := range users {
		list, err := w.SessionsOf(ctx, user)
		if err != nil {
			return nil, err
		}
		each[user] = list
	}
	return each, w.lost
}

func TestTrace(t *testing.T) {
	s := newSite(t)
	s.people.sessions = map[domain.UserID][]domain.LiveSession{
		"alice": {{SessionID: "S1", DeviceID: "desk", NodeID: "n-2"}, {SessionID: "S2", DeviceID: "phone", NodeID: "n-1"}},
		"bob":   {{SessionID: "S3", DeviceID: "phone", NodeID: "n-1"}},
	}
	var view domain.ConversationView
	made := s.call(t, "alice", "POST", "/v1/conversations", `{"kind":"group","members":["bob","carol"]}`).want(t, 201)
	if err := json.Unmarshal(made.body, &view); err != nil {
		t.Fatal(err)
	}
	base := "/v1/conversations/" + view.ConversationID.String() + "/messages/1/trace"
	trace := func(query string) (trace domain.Trace) {
		t.Helper()
		if err := json.Unmarshal(s.call(t, "!shop", "GET", base+query, "").want(t, 200).body, &trace); err != nil {
			t.Fatal(err)
		}
		return trace
	}
	got := trace("")
	if diff := cmp.Diff([]domain.NodeID{"n-1", "n-2"}, got.Routed); diff != "" {
		t.Error(diff)
	}
	alice := got.Items[0]
	if len(got.Items) != 3 || len(alice.Sessions) != 2 || alice.Sessions[0].Pushed != nil || !*alice.Sessions[1].Pushed || len(got.Items[2].Sessions) != 0 {
		t.Errorf("%+v", got.Items)
	}
	if got := trace("?limit=1&cursor=2"); len(got.Items) != 1 || got.Items[0].UserID != "carol" || got.Routed == nil || len(got.Routed) != 0 {
		t.Errorf("a page without sessions: %+v", got)
	}
	s.lost = domain.ErrUnavailable
	if got := trace(""); got.Routed != nil || got.Items[0].Sessions != nil || !got.Items[0].Delivered {
		t.Errorf("while nobody knows who is connected: %+v", got)
	}
	s.lost = nil
	s.call(t, "!shop", "GET", base+"?cursor=", "").refused(t, domain.CodeCursorInvalid, "")
	s.call(t, "!shop", "GET", base+"?limit=501", "").refused(t, domain.CodeInvalid, "/limit")
	nowhere := "/v1/conversations/0198c5f2-7a5e-7c31-9d40-6f1f2f6f2a10/messages/1/trace"
	s.call(t, "!shop", "GET", nowhere, "").refused(t, domain.CodeNotFound, "")
	for _, path := range []string{base, nowhere} {
		s.call(t, "alice", "GET", path, "").refused(t, domain.CodeForbidden, "")
		s.call(t, "!shop", "GET", path, "", "X-IM-User: alice").refused(t, domain.CodeForbidden, "")
	}
}
