package appendlog

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/store/postgres/internal/pg"
)

// What is asked of a database that is away is answered within 10 s, connecting included.
func TestNobodyWaitsForLong(t *testing.T) {
	require.Less(t, commandTimeout, 10*time.Second)
	require.Less(t, pg.Attempts*pg.AttemptTimeout, 10*time.Second)
}

// However long the database has been away, the next attempt follows soon.
func TestCommitterPausesForMomentsOnly(t *testing.T) {
	c := &committer{logger: slog.New(slog.DiscardHandler), log: &Log{metrics: newMetrics(nil, newQueue(1, 1))}}
	for range 100 {
		before := c.pause
		c.fail(io.EOF)
		require.Positive(t, c.pause)
		require.GreaterOrEqual(t, c.pause, before)
		require.Less(t, c.pause, time.Second/2)
	}
}
