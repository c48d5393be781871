package bench

import (
	"bytes"
	"runtime/trace"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/internal/timeline"
)

// TestTimeline: an execution trace gives the steps of each message, and what the scheduler
// did for it.
func TestTimeline(t *testing.T) {
	var trc bytes.Buffer
	require.NoError(t, trace.Start(&trc))
	const messages = 10
	for i := range messages {
		key := idOf("abcdef", int64(i), 1)
		timeline.Mark(timeline.Read, "")
		timeline.Mark(timeline.Parsed, key)
		timeline.Mark(timeline.Queued, key)
		woken := make(chan struct{})
		var committer sync.WaitGroup
		committer.Go(func() {
			<-woken
			timeline.Mark(timeline.Taken, key)
			timeline.Mark(timeline.Append, key) // fails, and is repeated:
			timeline.Mark(timeline.Taken, key)
			timeline.Mark(timeline.Append, key)
			timeline.Mark(timeline.Committed, key)
			timeline.Mark(timeline.Pushed, key)
			timeline.Mark(timeline.Delivered, key)
			time.Sleep(2 * time.Millisecond)
			timeline.Mark(timeline.Delivered, key)
			timeline.Mark(timeline.Answered, key)
		})
		time.Sleep(time.Millisecond)
		close(woken)
		committer.Wait()
	}
	timeline.Mark(timeline.Answered, "of a message from before the trace")
	trace.Stop()

	got, err := readTimeline(&trc)
	require.NoError(t, err)
	require.Equal(t, messages+1, got.Messages)
	require.Len(t, got.Steps, len(steps))
	took := map[[2]string]Step{}
	for _, s := range got.Steps {
		require.LessOrEqual(t, s.P50, s.P99)
		require.GreaterOrEqual(t, s.P50, 0.0)
		took[[2]string{s.From, s.To}] = s
	}
	require.GreaterOrEqual(t, took[[2]string{"queued", "taken"}].P50, 1000.0, "the committer waited a millisecond")
	require.GreaterOrEqual(t, took[[2]string{"committed", "last delivered"}].P50, 2000.0)
	require.Less(t, took[[2]string{"committed", "delivered"}].P50, took[[2]string{"committed", "last delivered"}].P50)
	begun, ok := find(got.Counts, "goroutines_begun")
	require.True(t, ok)
	require.GreaterOrEqual(t, begun, 0.9)

	var out bytes.Buffer
	require.NoError(t, got.write(&out, "direct"))
	require.Contains(t, out.String(), "direct: time line of 11 messages")
	require.Contains(t, out.String(), "sync.(*WaitGroup).Go.func1", "who was woken")

	_, err = readTimeline(bytes.NewReader([]byte("no trace")))
	require.Error(t, err)
}
