package rest

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"im/domain"
)

// searchOperations is a part of TestOperationsAnswerAsDescribed.
func searchOperations(t *testing.T, s *testServer, conversation string) {
	t.Helper()
	s.call(t, "bob", "GET", "/v1/search/messages?q=Hi", "").want(t, 200)
	got := s.call(t, "bob", "GET", "/v1/search/messages?q=%E4%BD%A0%E5%A5%BD&sender=alice&limit=1&conversation_id="+conversation+
		"&since=2026-01-02T03:04:05Z&until="+url.QueryEscape("2026-01-02T03:04:06.5+01:00"), "").want(t, 200)
	if string(got.body) != `{"items":[],"next_cursor":null,"users":{}}` {
		t.Errorf("nothing found: %s", got.body)
	}
	q := s.lastSearch
	if q.Text != "你好" || q.Sender != "alice" || q.Limit != 1 || q.ConversationID.String() != conversation ||
		!q.Since.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) || !q.Until.Equal(time.Date(2026, 1, 2, 2, 4, 6, 5e8, time.UTC)) {
		t.Errorf("asked: %+v", q)
	}
}

func TestSearch(t *testing.T) {
	s := newTestServer(t)
	id := s.group(t).String()
	for _, n := range []string{"1", "2"} {
		s.call(t, "alice", "POST", "/v1/conversations/"+id+"/messages", `{"client_msg_id":"`+n+`","content":{"type":"text","text":"<b>needle</b>"}}`).want(t, 201)
	}
	var first, second domain.SearchPage
	for cursor, page := range map[string]*domain.SearchPage{"": &first, "&cursor=1": &second} {
		got := s.call(t, "bob", "GET", "/v1/search/messages?q=needle&limit=1"+cursor, "").want(t, 200)
		if err := json.Unmarshal(got.body, page); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(got.body), "<b>needle</b>") {
			t.Errorf("escaped: %s", got.body)
		}
	}
	if len(first.Items) != 1 || len(second.Items) != 1 || *first.NextCursor != "1" || second.NextCursor != nil {
		t.Errorf("%+v, then %+v", first, second)
	}
	if s.call(t, "bob", "GET", "/v1/search/messages?q=x", "").want(t, 200); s.lastSearch.Limit != domain.DefaultListPage {
		t.Errorf("the limit is %d unless given", s.lastSearch.Limit)
	}
	for _, eve := range []string{"eve", "dave"} {
		s.call(t, eve, "GET", "/v1/search/messages?q=needle&conversation_id="+id, "").refused(t, domain.CodeNotFound, "")
	}
	for query, field := range map[string]string{
		"":                              "/q",
		"q=":                            "/q",
		"q=" + strings.Repeat("x", 201): "/q",
		"q=%FF":                         "/q",
		"q=x&sender=a%20b":              "/sender",
		"q=x&conversation_id=1":         "/conversation_id",
		"q=x&since=yesterday":           "/since",
		"q=x&until=1":                   "/until",
		"q=x&limit=501":                 "/limit",
		"q=x&limit=0":                   "/limit",
		"q=x&rank=1":                    "/rank",
	} {
		s.call(t, "bob", "GET", "/v1/search/messages?"+query, "").refused(t, domain.CodeInvalid, field)
	}
	s.call(t, "bob", "GET", "/v1/search/messages?q="+strings.Repeat("%E5%AD%97", 200), "").want(t, 200)
	s.call(t, "bob", "GET", "/v1/search/messages?q=x&cursor=", "").refused(t, domain.CodeCursorInvalid, "")
	s.call(t, "bob", "GET", "/v1/search/messages?q=x&cursor=z", "").refused(t, domain.CodeCursorInvalid, "")
}
