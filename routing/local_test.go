package routing

import (
	"context"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/routing/internal/quietlog"
	"im/test/eventually"
)

// TestPush: a commit for few members is delivered at once, unless something waits before
// it or the hub is busy. None overtakes another (I4), and the committer waits for no lock
// (I9).
func TestPush(t *testing.T) {
	few, everyone := []domain.UserID{"alice", "bob"}, []domain.UserID(nil)
	start := func() (*localDelivery, *hub, domain.ConversationID) {
		h := newHub()
		return newLocalDelivery(h, recoverer{newMetrics(prometheus.NewRegistry()), quietlog.New(slog.New(slog.DiscardHandler))}), h, newConversation()
	}
	run := func(t *testing.T, l *localDelivery) {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			l.run(ctx)
		}()
		t.Cleanup(func() {
			stop()
			<-ended
		})
	}
	t.Run("few members: at once", func(t *testing.T) {
		l, h, id := start()
		require.True(t, l.push(committed(id, 1, few...)))
		require.Equal(t, []int64{1}, h.seqs(id))
	})
	t.Run("behind one that waits", func(t *testing.T) {
		l, h, id := start()
		require.True(t, l.push(committed(id, 1, everyone...)))
		require.True(t, l.push(committed(id, 2, few...)))
		require.Empty(t, h.seqs(id))
		run(t, l)
		eventually.True(t, "both arrive", func() bool { return len(h.seqs(id)) == 2 })
		require.Equal(t, []int64{1, 2}, h.seqs(id))
		eventually.True(t, "nothing waits", func() bool { return l.waiting.Load() == 0 })
		require.True(t, l.push(committed(id, 3, few...)))
		require.Equal(t, []int64{1, 2, 3}, h.seqs(id))
	})
	t.Run("behind one that is being delivered", func(t *testing.T) {
		l, h, id := start()
		entered, hold := make(chan struct{}), make(chan struct{})
		h.whenPushed(func(c domain.Committed) {
			if c.Events[0].Seq == 1 {
				close(entered)
				<-hold
			}
		})
		run(t, l)
		require.True(t, l.push(committed(id, 1, everyone...)))
		<-entered
		require.True(t, l.push(committed(id, 2, few...)))
		seqs := h.seqs(id)
		close(hold)
		require.Equal(t, []int64{1}, seqs)
		eventually.True(t, "both arrive", func() bool { return len(h.seqs(id)) == 2 })
	})
	t.Run("a busy hub: queued", func(t *testing.T) {
		l, h, id := start()
		h.locked.Store(true)
		require.True(t, l.push(committed(id, 1, few...)))
		require.Empty(t, h.seqs(id))
		h.locked.Store(false)
		require.True(t, l.push(committed(id, 2, few...)))
		run(t, l)
		eventually.True(t, "both arrive", func() bool { return len(h.seqs(id)) == 2 })
		require.Equal(t, []int64{1, 2}, h.seqs(id))
	})
	t.Run("a panic costs one commit", func(t *testing.T) {
		l, h, id := start()
		h.whenPushed(func(c domain.Committed) {
			if c.Events[0].Seq == 1 {
				panic("hub")
			}
		})
		require.True(t, l.push(committed(id, 1, few...)))
		require.True(t, l.push(committed(id, 2, few...)))
		require.EqualValues(t, 1, testutil.ToFloat64(l.recover.count.panics))
		require.Equal(t, []int64{1, 2}, h.seqs(id), "the first is not repeated")
	})
}
