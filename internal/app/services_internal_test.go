package app

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The last attempt may be cut short by the timeout itself. What is said is why the one
// before it failed.
func TestReachSaysWhy(t *testing.T) {
	t.Parallel()
	attempts := 0
	err := reach(t.Context(), nil, "IM_X", time.Second, slog.New(slog.DiscardHandler), func(ctx context.Context) error {
		attempts++
		if attempts == 1 {
			return errors.New("the database has no schema")
		}
		<-ctx.Done()
		return ctx.Err()
	})
	require.EqualError(t, err, "IM_X: not ready after 1s: the database has no schema")
	require.Equal(t, 2, attempts)
}
