package ratelimit

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func FuzzRate(f *testing.F) {
	for _, seed := range []string{"10", "0.5:20", "0", "", "NaN", "1e309", ":", "1:", "-1:-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var r, again Rate
		if r.UnmarshalText([]byte(s)) != nil {
			return
		}
		require.NoError(t, again.UnmarshalText([]byte(r.String())))
		require.Equal(t, r, again)
		if b := newBuckets(r); b != nil {
			require.Positive(t, b.interval)
			require.GreaterOrEqual(t, b.depth, time.Duration(0))
		}
	})
}

// FuzzForwardedFor: an address that no trusted proxy has forwarded never counts.
func FuzzForwardedFor(f *testing.F) {
	for _, seed := range []string{"", "1.2.3.4", "1.2.3.4, 10.0.0.1", "[::1]:80", ",,,", "10.0.0.1,"} {
		f.Add(seed)
	}
	trusted := proxies{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, forwarded string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("X-Forwarded-For", forwarded)
		r.RemoteAddr = "203.0.113.7:1"
		require.Equal(t, "203.0.113.7", trusted.clientAddress(r).String())
		r.RemoteAddr = "10.0.0.1:1"
		require.True(t, subscriberPrefix(trusted.clientAddress(r)).IsValid())
	})
}
