package presence

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/realtime/realtimetest"
)

// TestLastSeen: the time is written before the change is announced; if it cannot
// be written, the change is announced all the same, and the time is written later.
func TestLastSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, sent := realtimetest.NewStore(), &signals{}
		l := NewLastSeen(store, sent, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.Run(ctx, func() []domain.UserID { return []domain.UserID{"online"} }) }()

		l.Note("a", true)
		l.Note("quiet", false)
		time.Sleep(announceEvery)
		synctest.Wait()
		require.Equal(t, []domain.Signal{domain.PresenceChanged{User: "a"}}, sent.take())
		require.False(t, store.LastSeen("a").IsZero())
		require.False(t, store.LastSeen("quiet").IsZero())

		store.SetUnavailable(true)
		l.Note("b", true)
		time.Sleep(announceEvery)
		synctest.Wait()
		require.Equal(t, []domain.Signal{domain.PresenceChanged{User: "b"}}, sent.take())
		require.True(t, store.LastSeen("b").IsZero())
		store.SetUnavailable(false)
		time.Sleep(2 * lastSeenEvery)
		synctest.Wait()
		require.False(t, store.LastSeen("b").IsZero(), "retried")

		time.Sleep(lastSeenRenewal + lastSeenEvery)
		synctest.Wait()
		require.False(t, store.LastSeen("online").IsZero(), "renewed while online")

		l.Note("c", true)
		cancel()
		require.NoError(t, <-done)
		require.Equal(t, []domain.Signal{domain.PresenceChanged{User: "c"}}, sent.take(), "at the end, too")
		require.False(t, store.LastSeen("c").IsZero())
	})
}
