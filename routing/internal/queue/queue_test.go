package queue

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// takeOne returns the next batch.
func takeOne(t *testing.T, q *Queue[int], maxBytes int) []int {
	for batch := range q.Batches(t.Context(), maxBytes) {
		return batch
	}
	return nil
}

func TestQueue(t *testing.T) {
	t.Run("yields what gathered, in order", func(t *testing.T) {
		q := New[int](1000)
		for i := range 7 {
			require.True(t, q.Put(i, 10))
		}
		var batches [][]int
		for batch := range q.Batches(t.Context(), 30) {
			if batches = append(batches, batch); len(batches) == 3 {
				break
			}
		}
		require.Equal(t, [][]int{{0, 1, 2}, {3, 4, 5}, {6}}, batches)
	})
	t.Run("is bounded in bytes, and accepts items again when there is room", func(t *testing.T) {
		q := New[int](100)
		for i := range 10 {
			require.True(t, q.Put(i, 10))
		}
		require.False(t, q.Put(10, 10))
		require.Len(t, takeOne(t, q, 50), 5)
		require.True(t, q.Put(11, 10))
		require.Equal(t, []int{5, 6, 7, 8, 9, 11}, takeOne(t, q, 1000))
	})
	t.Run("an item larger than a batch is alone in it", func(t *testing.T) {
		q := New[int](100)
		require.True(t, q.Put(1, 90))
		require.True(t, q.Put(2, 90))
		require.Equal(t, []int{1}, takeOne(t, q, 10))
		require.Equal(t, []int{2}, takeOne(t, q, 10))
	})
	t.Run("waits for an item", func(t *testing.T) {
		q := New[int](100)
		batch := make(chan []int, 1)
		go func() { batch <- takeOne(t, q, 10) }()
		require.True(t, q.Put(1, 1))
		require.Equal(t, []int{1}, <-batch)
	})
	t.Run("ends with its context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range New[int](10).Batches(ctx, 10) {
			t.Fatal("a batch of nothing")
		}
	})
}
