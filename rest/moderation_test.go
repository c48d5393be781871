package rest

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"im/domain"
)

// postMessage posts a message of alice and returns its path.
func (s *testServer) postMessage(t *testing.T) string {
	t.Helper()
	base := "/v1/conversations/" + s.group(t).String()
	sent := s.call(t, "alice", "POST", base+"/messages", `{"client_msg_id":"c","content":{"type":"text","text":"Hi"},"mentions":["bob"]}`)
	return base + "/messages/" + itoa(sent.want(t, 201).event(t).Seq)
}

func (s *testServer) message(t *testing.T, user, path string) (m domain.Message) {
	t.Helper()
	if err := json.Unmarshal(s.call(t, user, "GET", path, "").want(t, 200).body, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestEditKeepsBytesAndMentions(t *testing.T) {
	s := newTestServer(t)
	path := s.postMessage(t)
	const content = `{ "type" : "text",  "text":"a<b & \u2028 é" }`
	got := s.call(t, "alice", "PATCH", path, `{"content":`+content+`}`).want(t, 200)
	if !strings.Contains(string(got.body), content) || !strings.Contains(string(got.body), `"mentions":["bob"]`) {
		t.Errorf("edited: %s", got.body)
	}
	s.call(t, "alice", "PATCH", path, `{"content":`+content+`,"mentions":[]}`).want(t, 200)
	if m := s.message(t, "bob", path); len(m.Mentions) > 0 || m.EditedAt == nil {
		t.Errorf("message: %+v", m)
	}
}

func TestModerationRefuses(t *testing.T) {
	s := newTestServer(t)
	path := s.postMessage(t)
	const edit = `{"content":{"type":"text","text":"x"}}`
	refused := func(code domain.Code, user, method, path, body string) {
		t.Helper()
		s.call(t, user, method, path, body).refused(t, code, "")
	}
	base, _, _ := strings.Cut(path, "/messages/")
	nothing := base + "/messages/1" // not a message
	refused(domain.CodeForbidden, "bob", "PATCH", path, edit)
	refused(domain.CodeForbidden, "carol", "DELETE", path, "")
	refused(domain.CodeForbidden, "carol", "PUT", path+"/pin", "")
	refused(domain.CodeForbidden, "carol", "DELETE", path+"/pin", "")
	refused(domain.CodeNotFound, "alice", "PATCH", nothing, edit)
	refused(domain.CodeNotFound, "alice", "DELETE", nothing, "")
	refused(domain.CodeNotFound, "alice", "PUT", nothing+"/pin", "")
	refused(domain.CodeNotFound, "alice", "GET", nothing+"/reactions", "")
	refused(domain.CodeNotFound, "alice", "PUT", nothing+"/reactions/x", "")
	refused(domain.CodeNotFound, "alice", "PUT", path+"/reactions/", "")
	s.call(t, "bob", "DELETE", path, "").want(t, 200)
	refused(domain.CodeConflict, "alice", "PATCH", path, edit)
	refused(domain.CodeConflict, "alice", "PUT", path+"/reactions/x", "")
	refused(domain.CodeConflict, "alice", "PUT", path+"/pin", "")
}

// TestReactWithAnyText: the domain gets the text of an emoji as the client meant it.
func TestReactWithAnyText(t *testing.T) {
	s := newTestServer(t)
	path := s.postMessage(t)
	for escaped, emoji := range map[string]string{
		"%F0%9F%91%A9%E2%80%8D%F0%9F%9A%80": "👩‍🚀", "+1": "+1", "%2B1": "+1", "a%20b": "a b", "%25": "%", ":heart:": ":heart:", "%22": `"`, "..%20": ".. ",
		"%2F": "/", "%2f%2f": "//", "a%2Fb": "a/b", "..": "..", "%2e": ".", "%252F": "%2F", "%E2%9C%94": "✔",
	} {
		s.call(t, "bob", "DELETE", path+"/reactions/"+escaped, "")
		var body domain.ReactionBody
		if err := json.Unmarshal(s.call(t, "bob", "PUT", path+"/reactions/"+escaped, "").want(t, 200).event(t).Body, &body); err != nil || body.Emoji != emoji {
			t.Errorf("%s became %q, want %q", escaped, body.Emoji, emoji)
		}
	}
}

// TestReactionInAnyForm: with and without U+FE0F, it is one reaction.
func TestReactionInAnyForm(t *testing.T) {
	s := newTestServer(t)
	path := s.postMessage(t)
	for bare, form := range map[string]string{
		"%F0%9F%91%8D":                      "%F0%9F%91%8D%EF%B8%8F",                      // 👍
		"%E2%9D%A4":                         "%E2%9D%A4%EF%B8%8F",                         // ❤
		"1%E2%83%A3":                        "1%EF%B8%8F%E2%83%A3",                        // 1 in a keycap
		"%F0%9F%8F%B3%E2%80%8D%F0%9F%8C%88": "%F0%9F%8F%B3%EF%B8%8F%E2%80%8D%F0%9F%8C%88", // rainbow flag
		"%F0%9F%A4%B7%F0%9F%8F%BD%E2%80%8D%E2%99%82": "%F0%9F%A4%B7%F0%9F%8F%BD%E2%80%8D%E2%99%82%EF%B8%8F", // man shrugging
	} {
		for _, calls := range [][2]string{{bare, form}, {form, bare}, {form, form}} {
			want, _ := url.PathUnescape(bare)
			var body domain.ReactionBody
			added := s.call(t, "bob", "PUT", path+"/reactions/"+calls[0], "").want(t, 200).event(t)
			if err := json.Unmarshal(added.Body, &body); err != nil || body.Emoji != want {
				t.Errorf("%s became %+q, want %+q", calls[0], body.Emoji, want)
			}
			s.call(t, "bob", "PUT", path+"/reactions/"+calls[1], "").want(t, 204)
			if m := s.message(t, "bob", path); !reflect.DeepEqual(m.Reactions, []domain.Reaction{{Emoji: want, Count: 1, Mine: true}}) {
				t.Errorf("reactions: %+v", m.Reactions)
			}
			s.call(t, "bob", "DELETE", path+"/reactions/"+calls[1], "").want(t, 200)
			s.call(t, "bob", "DELETE", path+"/reactions/"+calls[0], "").want(t, 204)
		}
	}
}

func TestPinsShowCurrentMessages(t *testing.T) {
	s := newTestServer(t)
	path := s.postMessage(t)
	s.call(t, "bob", "PUT", path+"/pin", "").want(t, 200)
	s.call(t, "alice", "PATCH", path, `{"content":{"type":"text","text":"later"}}`).want(t, 200)
	base, _, _ := strings.Cut(path, "/messages/")
	if got := s.call(t, "carol", "GET", base+"/pins", "").want(t, 200); !strings.Contains(string(got.body), `"later"`) {
		t.Errorf("pins: %s", got.body)
	}
}
