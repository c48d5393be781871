package postgres

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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
