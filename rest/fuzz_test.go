package rest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"im/domain"
	"im/internal/edge"
)

// FuzzCall: every path, query and body gets an answer of the contract, and no
// internal error.
func FuzzCall(f *testing.F) {
	const id = "/v1/conversations/01970000-0000-7000-8000-000000000000"
	for _, seed := range []struct{ method, path, query, body string }{
		{"POST", "/v1/messages", "", `{"to":"bob","client_msg_id":"c","content":{"type":"text","text":"x"}}`},
		{"POST", "/v1/conversations", "", `{"kind":"group","members":["bob"],"title":"x","metadata":{"a":[1]}}`},
		{"PATCH", id, "", `{"title":null,"settings":{"posting":"admins"}}`},
		{"PUT", id + "/read", "", `{"seq":9223372036854775807}`},
		{"PUT", id + "/members/a%2Fb", "", `{"role":"member"}`},
		{"PUT", id + "/messages/2/reactions/%F0%9F%91%8D", "", ``},
		{"GET", id + "/messages", "as_of=2026-01-02T03:04:05.5Z&limit=1", ``},
		{"GET", "/v1/sync", "cursor=%00&timeline_limit=50", ``},
		{"GET", "/v1/users", "user_id=a&user_id=b", ``},
		{"DELETE", id + "/messages/2", "reason=%ff", ``},
		{"PATCH", id + "/preferences", "", `{"notify":"none","pinned":true}`},
		{"PUT", "/v1/users/bob", "", `{"name":"x","metadata":{}}`},
		{"POST", "/v1/notices", "", `{"biz_type":"x","data":` + strings.Repeat("[", 100) + `}`},
	} {
		f.Add(seed.method, seed.path, seed.query, seed.body)
	}
	server, err := New(Options{
		Verifier: fakeVerifier{}, Limits: domain.DefaultLimits(), Backend: newFakeBackend().backend(domain.DefaultLimits()), Logger: quiet,
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		if !strings.Contains(" GET POST PUT PATCH DELETE OPTIONS HEAD ", " "+method+" ") {
			method = http.MethodPost
		}
		u := &url.URL{Path: "/", RawQuery: query}
		if unescaped, err := url.PathUnescape(path); err == nil && strings.HasPrefix(path, "/") {
			u.Path, u.RawPath = unescaped, path
		}
		r := httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader(body))
		r.URL = u
		r.Header.Set("Authorization", "Bearer !alice")
		r.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		server.ServeHTTP(rec, r)
		if rec.Code >= 500 {
			t.Fatalf("%s %s?%s %q: %d %s", method, path, query, body, rec.Code, rec.Body)
		}
		if rec.Code >= 400 && method != http.MethodHead {
			var p edge.Problem
			if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || StatusOf(p.Code) != rec.Code {
				t.Fatalf("%s %s?%s %q: %d %s", method, path, query, body, rec.Code, rec.Body)
			}
		}
	})
}
