package ratelimit

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
)

func rateOf(t *testing.T, s string) (r Rate) {
	t.Helper()
	require.NoError(t, r.UnmarshalText([]byte(s)))
	return r
}

func TestRate(t *testing.T) {
	for s, want := range map[string]Rate{
		"": {}, "0": {}, "10": {10, 10}, "0.5": {0.5, 1}, "2.5:7": {2.5, 7}, "10:1": {10, 1},
	} {
		r := rateOf(t, s)
		require.Equal(t, want, r, s)
		require.Equal(t, r, rateOf(t, r.String()), "%s is parsed again", s)
	}
	for _, s := range []string{"x", "-1", "10:", "10:0", "10:-1", ":5", "10/s", "NaN", "Inf", "1e9", "1e-9", "10:99999999", "10:1:1", " 10"} {
		require.ErrorIs(t, new(Rate).UnmarshalText([]byte(s)), ErrRate, s)
	}
}

// TestAdmit: a burst is admitted, then the rate per second, and the next one after
// the delay in the error.
func TestAdmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{User: Rates{domain.RateSend: rateOf(t, "2:5")}})
		admit := func(user domain.UserID) error { return l.Admit(domain.RateSend, user, netip.Prefix{}) }
		for range 5 {
			require.NoError(t, admit("alice"))
		}
		for range 100 { // a refusal takes no token
			require.ErrorIs(t, admit("alice"), domain.ErrRateLimited)
		}
		require.NoError(t, admit("bob"), "each user has their own bucket")
		require.NoError(t, l.Admit(domain.RateRead, "alice", netip.Prefix{}), "and each class of activity, if it is limited")

		var refused *domain.Error
		require.ErrorAs(t, admit("alice"), &refused)
		require.Equal(t, 500*time.Millisecond, refused.After)
		time.Sleep(refused.After - time.Millisecond)
		require.Error(t, admit("alice"))
		time.Sleep(time.Millisecond)
		require.NoError(t, admit("alice"))
		require.Error(t, admit("alice"))

		time.Sleep(time.Hour)
		for range 5 {
			require.NoError(t, admit("alice"))
		}
		require.Error(t, admit("alice"), "a bucket holds at most a burst")
	})
}

// TestAddress: users of one address share its limit. A user who is refused takes
// nothing from the others.
func TestAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{User: Rates{domain.RateSend: rateOf(t, "1:1")}, Address: Rates{domain.RateSend: rateOf(t, "1:3")}})
		home := netip.MustParsePrefix("192.0.2.1/32")
		require.NoError(t, l.Admit(domain.RateSend, "alice", home))
		for range 10 {
			require.Error(t, l.Admit(domain.RateSend, "alice", home))
		}
		require.NoError(t, l.Admit(domain.RateSend, "bob", home))
		require.NoError(t, l.Admit(domain.RateSend, "carol", home))
		require.ErrorIs(t, l.Admit(domain.RateSend, "dave", home), domain.ErrRateLimited)
		require.NoError(t, l.Admit(domain.RateSend, "dave", netip.MustParsePrefix("192.0.2.2/32")))
	})
}

// TestForwardedFor: the address of the client counts, a /64 of IPv6.
func TestForwardedFor(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct{ remote, forwarded, want string }{
		{"203.0.113.7:1", "198.51.100.1", "203.0.113.7/32"},
		{"10.0.0.1:1", "198.51.100.1", "198.51.100.1/32"},
		{"10.0.0.1:1", "2001:db8:0:0:1:2:3:4", "2001:db8::/64"},
		{"@", "198.51.100.1", "invalid Prefix"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.remote
		r.Header.Set("X-Forwarded-For", c.forwarded)
		l := New(Options{Address: Rates{domain.RateRead: {1, 1}}, Proxies: trusted})
		require.Equal(t, c.want, l.Address(r).String(), "%s %v", c.remote, c.forwarded)
	}
	require.False(t, New(Options{}).Address(httptest.NewRequest(http.MethodGet, "/", nil)).IsValid(), "addresses are not limited")
}

// TestI9BucketsAreBounded: after a million users, only the last of them are kept.
func TestI9BucketsAreBounded(t *testing.T) {
	l := New(Options{User: Rates{domain.RateSend: {0.001, 1}}}) // no token comes back during the test
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for n := range 1_000_000 {
		if err := l.Admit(domain.RateSend, domain.UserID(fmt.Sprint("user-", n)), netip.Prefix{}); err != nil {
			t.Fatal(n, err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b := l.user[domain.RateSend]
	require.Equal(t, maxBuckets, b.fullAt.Len())
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(32<<20))
	require.Error(t, l.Admit(domain.RateSend, "user-999999", netip.Prefix{}), "the last ones are kept")
	require.Error(t, l.Admit(domain.RateSend, "user-950001", netip.Prefix{}))
}
