package routing

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFeed(t *testing.T) {
	t.Run("carries what gathered, in order, one message at a time", func(t *testing.T) {
		f := newFeed[int](1000, 30)
		for i := range 7 {
			require.True(t, f.put(i, 10))
		}
		messages, err := f.Subscribe(t.Context(), "")
		require.NoError(t, err)
		first := <-messages
		require.Equal(t, []int{0, 1, 2}, carried[int](first))
		select {
		case <-messages:
			require.Fail(t, "a second message before the first was acknowledged")
		case <-time.After(20 * time.Millisecond):
		}
		first.Ack()
		second := <-messages
		require.Equal(t, []int{3, 4, 5}, carried[int](second))
		second.Nack() // is not repeated
		third := <-messages
		require.Equal(t, []int{6}, carried[int](third))
		third.Ack()
	})
	t.Run("is bounded in bytes, and takes again when there is room", func(t *testing.T) {
		q := newQueue[int](100)
		for i := range 10 {
			require.True(t, q.put(i, 10))
		}
		require.False(t, q.put(10, 10))
		require.Len(t, q.take(t.Context(), 50), 5)
		require.True(t, q.put(11, 10))
		require.Equal(t, []int{5, 6, 7, 8, 9, 11}, q.take(t.Context(), 1000))
	})
	t.Run("an item beyond the size of a message travels alone", func(t *testing.T) {
		q := newQueue[int](100)
		require.True(t, q.put(1, 90))
		require.True(t, q.put(2, 90))
		require.Equal(t, []int{1}, q.take(t.Context(), 10))
		require.Equal(t, []int{2}, q.take(t.Context(), 10))
	})
	t.Run("ends with its context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		messages, err := newFeed[int](10, 10).Subscribe(ctx, "")
		require.NoError(t, err)
		cancel()
		_, open := <-messages
		require.False(t, open)
	})
}
