package webhook_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
	"im/webhook"
)

// dying is a store that stops to answer, as that of a node that was killed.
type dying struct {
	*postgres.Store
	dead atomic.Bool
}

func (s *dying) check(ctx context.Context) error {
	if s.dead.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (s *dying) ClaimWebhooks(ctx context.Context, holder string, lease time.Duration, stream bool) ([]domain.HeldWebhook, error) {
	if s.dead.Load() {
		return nil, domain.ErrUnavailable
	}
	return s.Store.ClaimWebhooks(ctx, holder, lease, stream)
}

func (s *dying) ReleaseWebhooks(ctx context.Context, holder string) error {
	if s.dead.Load() {
		return domain.ErrUnavailable
	}
	return s.Store.ReleaseWebhooks(ctx, holder)
}

func (s *dying) LaneTaken(ctx context.Context, l *domain.WebhookLane, seq int64) (bool, error) {
	if err := s.check(ctx); err != nil {
		return false, err
	}
	return s.Store.LaneTaken(ctx, l, seq)
}

// The node that delivers dies between the answer of the endpoint and its note of it. Another
// node takes over, and the events come in order, without a hole.
func TestNodeKilledInTheMiddleOfDelivery(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	other := storetest.Start(t, n.URL)
	first := &dying{Store: n.Store}
	d, _ := deliver(t, n, func(o *webhook.Options) { o.Store = first })
	id := n.Group(t, "alice", "bob")
	e := newEndpoint(t)
	hook := e.hook(t, d)
	e.answers(func(c call) int {
		if c.event.Seq == 5 {
			first.dead.Store(true)
		}
		return http.StatusOK
	})
	posts(t, n, id, 0, 2)
	eventually.True(t, "the first node delivers", func() bool { return len(e.got(true)) == 2 })
	_, _ = deliver(t, other)
	posts(t, n, id, 2, 18)
	eventually.True(t, "all came", func() bool {
		list := seqs(e.got(true), id)
		return len(list) > 0 && list[len(list)-1] == 21
	})
	requireOrder(t, seqs(e.got(true), id), 2, 21)
	require.Len(t, e.got(true), 21, "only the event without a note came twice")
	settled(t, n.Store, hook)
}

// Two nodes, many conversations, an endpoint that fails now and then: each event is taken,
// and the attempts of each conversation are in order.
func TestTwoNodesDeliverInOrder(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	other := storetest.Start(t, n.URL)
	// A lease that ends because the machine is busy would repeat a call.
	long := func(o *webhook.Options) { o.Lease = 10 * time.Second }
	d, stop := deliver(t, n, long)
	_, _ = deliver(t, other, long)
	e := newEndpoint(t)
	hook := e.hook(t, d)
	var count atomic.Int64
	e.answers(func(call) int {
		if count.Add(1)%7 == 0 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	ids := make([]domain.ConversationID, 12)
	for i := range ids {
		ids[i] = n.Group(t, "alice", "bob")
	}
	var sending sync.WaitGroup
	for i, id := range ids {
		by := n
		if i%2 == 0 {
			by = other
		}
		sending.Go(func() { posts(t, by, id, 0, 20) })
	}
	eventually.True(t, "it has begun", func() bool { return len(e.got(true)) > 20 })
	stop() // in good order: the other node goes on
	sending.Wait()
	settled(t, n.Store, hook)
	eventually.True(t, "all came", func() bool {
		for _, id := range ids {
			if list := seqs(e.got(true), id); len(list) == 0 || list[len(list)-1] < 21 {
				return false
			}
		}
		return true
	})
	for _, id := range ids {
		requireOrder(t, seqs(e.got(false), id), 1, 21)
		require.Equal(t, upTo(21), seqs(e.got(true), id), "one node at a time delivers")
	}
	require.Empty(t, waiting(t, n.Store, hook, ""))
}

// The feed was swept before the webhook had read it, for example while all nodes were
// stopped: the events are found in the log.
func TestFeedSweptBeforeItWasRead(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	e := newEndpoint(t)
	id := n.Group(t, "alice", "bob")
	d, stop := deliver(t, n)
	hook := e.hook(t, d)
	posts(t, n, id, 0, 2)
	eventually.True(t, "they came", func() bool { return len(e.got(true)) >= 2 })
	settled(t, n.Store, hook)
	stop()
	fresh := n.Group(t, "alice", "carol")
	posts(t, n, id, 2, 3)
	conn := storetest.Connect(t, n.URL)
	_, err := conn.Exec(t.Context(), `UPDATE commits SET at = now() - interval '7 hours'`)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), storetest.Statements(t, "../store/postgres")["postgres.sweepCommitsSQL"])
	require.NoError(t, err)
	_, _ = deliver(t, n)
	posts(t, n, id, 5, 1)
	eventually.True(t, "nothing is left out", func() bool {
		list := seqs(e.got(true), id)
		return len(list) > 0 && list[len(list)-1] == 7 && len(seqs(e.got(true), fresh)) > 0
	})
	settled(t, n.Store, hook)
	list := seqs(e.got(true), id)
	next := int64(2)
	for _, seq := range list[2:] { // the last ones may come again
		next = max(next, seq+1)
	}
	require.Equal(t, int64(8), next)
	for seq := int64(2); seq <= 7; seq++ {
		require.Contains(t, list, seq)
	}
}

// In a new epoch the lanes go on, and what was committed since the position is sent.
func TestNewEpoch(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	e := newEndpoint(t)
	id := n.Group(t, "alice", "bob")
	d, stop := deliver(t, n)
	hook := e.hook(t, d)
	posts(t, n, id, 0, 1)
	eventually.True(t, "it came", func() bool { return len(e.got(true)) == 1 })
	stop()
	posts(t, n, id, 1, 2)
	_, err := n.NewEpoch(t.Context()) // empties the feed
	require.NoError(t, err)
	_, _ = deliver(t, n)
	posts(t, n, id, 3, 1)
	eventually.True(t, "nothing is left out", func() bool {
		list := seqs(e.got(true), id)
		return len(list) > 0 && list[len(list)-1] == 5
	})
	settled(t, n.Store, hook)
	for seq := int64(2); seq <= 5; seq++ {
		require.Contains(t, seqs(e.got(true), id), seq)
	}
}
