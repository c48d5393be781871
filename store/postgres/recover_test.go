package postgres

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is asked of a database that is away is answered within 10 s, connecting included.
func TestNobodyWaitsForLong(t *testing.T) {
	require.Less(t, patience, 10*time.Second)
	require.Less(t, attempts*attemptTimeout, 10*time.Second)
}

// However long the database has been away, the next attempt follows soon.
func TestCommitterPausesForMomentsOnly(t *testing.T) {
	c := &committer{log: slog.New(slog.DiscardHandler)}
	for range 100 {
		before := c.pause
		c.fail(io.EOF)
		require.Positive(t, c.pause)
		require.GreaterOrEqual(t, c.pause, before)
		require.Less(t, c.pause, time.Second/2)
	}
}
