package webhook

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// The address is checked when it is dialled, whatever the name resolved to before: a name
// may have another address by then.
func TestDialledAddressIsChecked(t *testing.T) {
	t.Parallel()
	called := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer server.Close()
	c := newCaller(guard{}, defaultTimeout)
	defer c.client.CloseIdleConnections()
	target := &domain.WebhookTarget{URL: server.URL, Secrets: []string{domain.WebhookSecret(make([]byte, 32))}}
	r := c.call(t.Context(), target, message{id: "id", body: []byte("{}")})
	require.False(t, called)
	require.Equal(t, errNotPublic.Error(), r.err)
	require.Zero(t, r.status)
	for _, u := range []string{server.URL, "http://localhost/", "http://[::1]/", "http://169.254.169.254/latest"} {
		require.ErrorIs(t, guard{}.check(t.Context(), u), domain.ErrInvalid, u)
	}
	require.NoError(t, guard{[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}.check(t.Context(), server.URL))
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "x": 0, "-5": 0, "7": 7 * time.Second, "999999999999": 0, "99999999": longestAfter,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute, now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if header == "999999999999" {
			want = longestAfter
		}
		require.Equal(t, want, retryAfter(header, now), header)
	}
}

func TestReasonHidesTheURL(t *testing.T) {
	t.Parallel()
	c := newCaller(guard{[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, defaultTimeout)
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	target := &domain.WebhookTarget{URL: server.URL + "/token-1234", Secrets: []string{domain.WebhookSecret(make([]byte, 32))}}
	r := c.call(t.Context(), target, message{id: "id", body: []byte("{}")})
	require.NotContains(t, r.err, "token-1234")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NotEmpty(t, c.call(ctx, target, message{id: "id", body: nil}).err)
}
