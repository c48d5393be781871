package rest

import (
	"net/http"
	"net/netip"
	"testing"
	"time"

	"im/domain"
)

// fakeLimiter is a RateLimiter that refuses one class of activity of one user, or of all users ("").
type fakeLimiter struct {
	activity domain.RateClass
	user     domain.UserID
	from     netip.Prefix // of the last call
}

func (q *fakeLimiter) Address(*http.Request) netip.Prefix {
	return netip.MustParsePrefix("192.0.2.1/32")
}

func (q *fakeLimiter) Admit(a domain.RateClass, user domain.UserID, from netip.Prefix) error {
	q.from = from
	if a == q.activity && (q.user == "" || q.user == user) {
		return domain.ErrRateLimited.WithRetryAfter(1500 * time.Millisecond)
	}
	return nil
}

func TestRateLimits(t *testing.T) {
	const nowhere = "/v1/conversations/01970000-0000-7000-8000-000000000000"
	q := &fakeLimiter{user: "alice"}
	s := newTestServer(t, func(o *Options) { o.RateLimiter = q })
	limited := func(token, method, path, body string, header ...string) {
		t.Helper()
		got := s.call(t, token, method, path, body, header...)
		got.refused(t, domain.CodeRateLimited, "")
		if after := got.Header.Get("Retry-After"); after != "2" {
			t.Errorf("Retry-After: %q", after)
		}
		if q.from != q.Address(nil) {
			t.Errorf("the address is not counted: %v", q.from)
		}
	}
	message := `{"to":"bob","client_msg_id":"c","content":{"type":"text","text":"x"}}`

	q.activity = domain.RateSend
	limited("alice", "POST", "/v1/messages", message)
	limited("alice", "POST", "/v1/conversations", `{"kind":"group","members":[]}`)
	limited("alice", "DELETE", nowhere+"/messages/1", "")
	limited("alice", "PUT", nowhere+"/members/read", `{"role":"member"}`)
	s.call(t, "alice", "GET", "/v1/sync", "").want(t, 200)
	s.call(t, "bob", "POST", "/v1/messages", `{"to":"alice","client_msg_id":"c","content":{"type":"text","text":"x"}}`).want(t, 201)

	q.activity = domain.RateRead
	limited("alice", "GET", "/v1/sync", "")
	limited("alice", "PUT", nowhere+"/read", `{"seq":1}`)
	limited("alice", "PUT", nowhere+"/ack", `{"device_id":"d","seq":1}`)
	s.call(t, "alice", "POST", "/v1/messages", message).want(t, 201)

	// Backends are not limited, whether or not they act for a user.
	s.call(t, "!alice", "GET", "/v1/conversations", "").want(t, 200)
	s.call(t, "!backend", "GET", "/v1/sync", "", "X-IM-User: alice").want(t, 200)

	// Calls with a bad token are limited.
	q.activity, q.user = domain.RateConnect, ""
	for _, token := range []string{"forged", "expired"} {
		limited(token, "GET", "/v1/sync", "")
	}
	s.call(t, "alice", "GET", "/v1/sync", "").want(t, 200)
	if n := s.server.admission.inFlight["alice"]; n != 0 {
		t.Errorf("%d calls still count as in flight", n)
	}
}
