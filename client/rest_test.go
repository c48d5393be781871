package client

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

func TestDo(t *testing.T) {
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, r.Method+" "+r.URL.String()+" "+string(body))
		switch {
		case r.Header.Get("Authorization") == "Bearer old":
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"code":"token_expired","title":"Token expired"}`)
		case r.Method == http.MethodPost:
			w.WriteHeader(http.StatusCreated)
			_ = json.NewEncoder(w).Encode(Conversation{Kind: KindDirect, Peer: "bob"})
		case r.Method == http.MethodGet:
			_ = json.NewEncoder(w).Encode(MessagePage{HeadSeq: 7})
		default:
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"code":"forbidden","detail":"owners only","fields":{"/x":"y"},"retry_after_ms":5}`)
		}
	}))
	defer server.Close()
	calls := 0
	c, err := New(Options{
		URLs: []string{"http://127.0.0.1:1", server.URL + "/"}, // the first one does not answer
		Token: func(context.Context) (string, error) {
			calls++
			return []string{"old", "new"}[min(calls-1, 1)], nil
		},
	})
	require.NoError(t, err)
	defer c.http.CloseIdleConnections()

	created, err := c.Direct(t.Context(), "bob")
	require.NoError(t, err)
	require.Equal(t, UserID("bob"), created.Peer)
	require.Equal(t, `POST /v1/conversations {"kind":"direct","members":["bob"]}`, seen[1])
	require.Equal(t, 2, calls, "an expired token is replaced once, and kept")

	page, err := c.Messages(t.Context(), created.ConversationID, Range{Before: 9, Limit: 3})
	require.NoError(t, err)
	require.EqualValues(t, 7, page.HeadSeq)
	require.Contains(t, seen[2], "/messages?before_seq=9&limit=3")

	err = c.RemoveMember(t.Context(), created.ConversationID, "a|b")
	require.ErrorIs(t, err, ErrForbidden)
	require.ErrorContains(t, err, "owners only")
	var refusal *Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, map[string]string{"/x": "y"}, refusal.Fields)
	require.Equal(t, 5*time.Millisecond, refusal.After)
	require.Equal(t, RetryNever, refusal.Retry())
	require.Contains(t, seen[3], "/members/a%7Cb ")
	require.Equal(t, 2, calls)
}

// TestCalls: each method makes the call that the contract has for it.
func TestCalls(t *testing.T) {
	var seen string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = strings.TrimSpace(r.Method + " " + r.URL.String() + " " + string(body))
		_, _ = io.WriteString(w, `{"items":[],"next_cursor":null}`)
	}))
	defer server.Close()
	c, err := New(Options{URLs: []string{server.URL}, Token: Token("t")})
	require.NoError(t, err)
	defer c.http.CloseIdleConnections()
	c.locked(func(e *engine) { e.mirror.self = "alice" })

	ctx := t.Context()
	id, err := ParseConversationID("0198c5de-0000-7000-8000-000000000001")
	require.NoError(t, err)
	title, empty, admins, yes := "T", "", domain.PostingAdmins, true
	const path = "/v1/conversations/0198c5de-0000-7000-8000-000000000001"
	for want, call := range map[string]func() error{
		`POST /v1/conversations {"kind":"group","members":[],"title":"T"}`: func() error {
			_, err := c.CreateGroup(ctx, NewGroup{Title: "T"})
			return err
		},
		`POST /v1/conversations {"avatar_url":"u","client_conversation_id":"k","kind":"group","members":["bob"],"metadata":{"a":1},"settings":{"posting":"admins"}}`: func() error {
			_, err := c.CreateGroup(ctx, NewGroup{
				AvatarURL: "u", Members: []UserID{"bob"}, Metadata: []byte(`{"a":1}`),
				Settings: SettingsChange{Posting: &admins}, ClientConversationID: "k",
			})
			return err
		},
		`PATCH ` + path + ` {"avatar_url":null,"metadata":null,"settings":{"receipts":true},"title":"T"}`: func() error {
			return c.UpdateGroup(ctx, id, GroupChange{
				Title: &title, AvatarURL: &empty, Settings: SettingsChange{Receipts: &yes}, Metadata: []byte("null"),
			})
		},
		`PATCH ` + path + ` {}`:                                                                   func() error { return c.UpdateGroup(ctx, id, GroupChange{}) },
		`GET ` + path + `/preferences`:                                                            func() error { _, err := c.Preferences(ctx, id); return err },
		`PATCH ` + path + `/preferences {"pinned":true}`:                                          func() error { _, err := c.SetPreferences(ctx, id, PreferencesChange{Pinned: &yes}); return err },
		`GET ` + path + `/receipts`:                                                               func() error { return drain(c.Receipts(ctx, id)) },
		`GET ` + path + `/members`:                                                                func() error { return drain(c.Members(ctx, id)) },
		`POST ` + path + `/members {"user_ids":["bob","carol"]}`:                                  func() error { return c.AddMembers(ctx, id, "bob", "carol") },
		`PUT ` + path + `/members/bob {"role":"admin"}`:                                           func() error { return c.SetRole(ctx, id, "bob", RoleAdmin) },
		`DELETE ` + path + `/members/bob`:                                                         func() error { return c.RemoveMember(ctx, id, "bob") },
		`PUT ` + path + `/members/alice {"role":"member"}`:                                        func() error { return c.Join(ctx, id) },
		`DELETE ` + path + `/members/alice`:                                                       func() error { return c.Leave(ctx, id) },
		`GET ` + path + `/messages`:                                                               func() error { _, err := c.Messages(ctx, id, Range{}); return err },
		`GET ` + path + `/messages/7`:                                                             func() error { _, err := c.Message(ctx, id, 7); return err },
		`PATCH ` + path + `/messages/7 {"content":{"type":"text","text":"x"}}`:                    func() error { return c.Edit(ctx, id, 7, Text("x")) },
		`PATCH ` + path + `/messages/7 {"content":{"type":"text","text":"x"},"mentions":["bob"]}`: func() error { return c.Edit(ctx, id, 7, Text("x"), "bob") },
		`PATCH ` + path + `/messages/7 {"content":{"type":"text","text":"x"},"mentions":[]}`:      func() error { return c.Edit(ctx, id, 7, Text("x"), []UserID{}...) },
		`DELETE ` + path + `/messages/7`:                                                          func() error { return c.Recall(ctx, id, 7, "") },
		`DELETE ` + path + `/messages/7?reason=no+more`:                                           func() error { return c.Recall(ctx, id, 7, "no more") },
		`PUT ` + path + `/messages/7/reactions/%F0%9F%91%8D`:                                      func() error { return c.React(ctx, id, 7, "👍") },
		`DELETE ` + path + `/messages/7/reactions/%2F`:                                            func() error { return c.Unreact(ctx, id, 7, "/") },
		`GET ` + path + `/messages/7/reactions`:                                                   func() error { return drain(c.Reactions(ctx, id, 7)) },
		`PUT ` + path + `/messages/7/pin`:                                                         func() error { return c.Pin(ctx, id, 7) },
		`DELETE ` + path + `/messages/7/pin`:                                                      func() error { return c.Unpin(ctx, id, 7) },
		`GET ` + path + `/pins`:                                                                   func() error { return drain(c.Pins(ctx, id)) },
		`GET /v1/search/messages?q=a+b`:                                                           func() error { return drain(c.Search(ctx, Query{Text: "a b"})) },
		`GET /v1/search/messages?conversation_id=` + id.String() + `&q=a&sender=bob&since=2026-01-02T03%3A04%3A05Z`: func() error {
			return drain(c.Search(ctx, Query{
				Text: "a", ConversationID: id, Sender: "bob", Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
			}))
		},
		`GET /v1/users?user_id=bob&user_id=carol`: func() error { _, err := c.Profiles(ctx, "bob", "carol"); return err },
		`GET /v1/presence?user_id=bob`:            func() error { _, err := c.Presence(ctx, "bob"); return err },
		`PUT /v1/blocks/bob`:                      func() error { return c.Block(ctx, "bob") },
		`DELETE /v1/blocks/bob`:                   func() error { return c.Unblock(ctx, "bob") },
		`GET /v1/blocks`:                          func() error { return drain(c.Blocks(ctx)) },
		`GET /v1/sessions`:                        func() error { return drain(c.Sessions(ctx)) },
		`DELETE /v1/sessions/s1`:                  func() error { return c.EndSession(ctx, LiveSession{SessionID: "s1"}) },
	} {
		require.NoError(t, call(), want)
		require.Equal(t, want, seen)
	}
}

// drain iterates to the end and returns the error, if there is one.
func drain[T any](items iter.Seq2[T, error]) error {
	for _, err := range items {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestLists(t *testing.T) {
	var requests []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests = append(requests, r.URL.RawQuery)
		switch r.URL.Query().Get("cursor") {
		case "":
			_, _ = io.WriteString(w, `{"items":[{"user_id":"a"},{"user_id":"b"}],"next_cursor":"2"}`)
		case "2":
			_, _ = io.WriteString(w, `{"items":[{"user_id":"c"}],"next_cursor":"3"}`)
		default:
			w.WriteHeader(http.StatusGone)
			_, _ = io.WriteString(w, `{"code":"cursor_invalid"}`)
		}
	}))
	defer server.Close()
	c, err := New(Options{URLs: []string{server.URL}, Token: Token("t")})
	require.NoError(t, err)
	defer c.http.CloseIdleConnections()

	var users []UserID
	var last error
	for m, err := range c.Members(t.Context(), ConversationID{}) {
		if last = err; err == nil {
			users = append(users, m.UserID)
		}
	}
	require.Equal(t, []UserID{"a", "b", "c"}, users)
	require.ErrorIs(t, last, ErrCursorInvalid)
	require.Equal(t, []string{"", "cursor=2", "cursor=3"}, requests)

	requests = nil
	for _, err := range c.Members(t.Context(), ConversationID{}) {
		require.NoError(t, err)
		break
	}
	require.Len(t, requests, 1, "a page that is not needed is not requested")
}

// TestErrors: there is one error for each code of the contract.
func TestErrors(t *testing.T) {
	for code, want := range map[string]error{
		"unauthenticated": ErrUnauthenticated, "token_expired": ErrTokenExpired, "forbidden": ErrForbidden,
		"blocked": ErrBlocked, "rejected": ErrRejected, "not_found": ErrNotFound, "conflict": ErrConflict,
		"idempotency_conflict": ErrIdempotencyConflict, "limit_exceeded": ErrLimitExceeded,
		"cursor_invalid": ErrCursorInvalid, "too_large": ErrTooLarge, "invalid": ErrInvalid,
		"rate_limited": ErrRateLimited, "unavailable": ErrUnavailable, "internal": ErrInternal,
	} {
		require.ErrorIs(t, (&errorFrame{Code: domain.Code(code), Message: "x"}).err(), want)
	}
}
