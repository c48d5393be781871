package ratelimit

import (
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
