package stream_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
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

// deliver runs a Deliverer with a stream until the test ends, or stop is called.
func deliver(t testing.TB, n *storetest.Node, b *broker, change ...func(*webhook.Options)) (stop func()) {
	t.Helper()
	o := webhook.Options{
		Store: n.Store, Lease: 2 * time.Second, Pause: 10 * time.Millisecond, Retries: slices.Repeat([]time.Duration{20 * time.Millisecond}, 3),
		Stream: b.publisher(t),
	}
	for _, c := range change {
		c(&o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	d := webhook.New(o)
	go func() { done <- d.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return stop
}

// begun waits until the stream exists: events from now on belong to it.
func begun(t testing.TB, n *storetest.Node) {
	t.Helper()
	eventually.True(t, "the stream exists", func() bool {
		s, err := n.StreamStatus(t.Context())
		return err == nil && s.Held
	})
}

func posts(t testing.TB, n *storetest.Node, id domain.ConversationID, from, count int) {
	t.Helper()
	for i := range count {
		n.Post(t, "alice", id, fmt.Sprintf("m%d", from+i), fmt.Sprintf("text %d", from+i))
	}
}

// seqs returns the seqs of a conversation in the order in which they came.
func seqs(t testing.TB, list []received, id domain.ConversationID) (found []int64) {
	t.Helper()
	for _, r := range list {
		var body struct {
			Type domain.EventType
			Data domain.Event
		}
		require.NoError(t, json.Unmarshal([]byte(r.body), &body))
		require.Equal(t, fmt.Sprintf("%s:%d", body.Data.ConversationID, body.Data.Seq), r.id)
		if body.Data.ConversationID == id {
			found = append(found, body.Data.Seq)
		}
	}
	return found
}

// complete reports whether seqs are first … last, where each may be repeated together with
// what follows it.
func complete(list []int64, first, last int64) bool {
	next := first
	for _, seq := range list {
		if seq > next {
			return false
		}
		next = max(next, seq+1)
	}
	return next == last+1
}

// requireComplete waits until the broker has the events of a conversation, and fails if they
// have come out of order.
func requireComplete(t testing.TB, b *broker, id domain.ConversationID, first, last int64) {
	t.Helper()
	eventually.True(t, fmt.Sprintf("%d has come", last), func() bool { return slices.Contains(seqs(t, b.got(), id), last) })
	list := seqs(t, b.got(), id)
	require.True(t, complete(list, first, last), "%v", list)
}

func settled(t testing.TB, n *storetest.Node) domain.StreamStatus {
	t.Helper()
	var s domain.StreamStatus
	eventually.True(t, "nothing is owed", func() bool {
		var err error
		s, err = n.StreamStatus(t.Context())
		return err == nil && s.Lanes == 0
	})
	return s
}

// A broker has each event with the id, the body and the address that the documentation
// says, in the order of the log.
func TestStream(t *testing.T) {
	each(t, 0, func(t *testing.T, b *broker) {
		n := storetest.Start(t, pgtest.New(t))
		before := n.Group(t, "alice", "bob")
		deliver(t, n, b)
		begun(t, n)
		id := n.Group(t, "alice", "bob")
		posts(t, n, id, 0, 200) // more than a batch
		n.Post(t, "alice", before, "late", "x")
		direct := storetest.Wait(t, n.Send(t.Context(), "alice", domain.Post{To: "bob", ClientMsgID: "d", Content: storetest.Text("x")}))
		require.NoError(t, direct.Err)
		requireComplete(t, b, id, 1, 201)
		requireComplete(t, b, before, 2, 2)
		requireComplete(t, b, direct.Event.ConversationID, 1, 2)
		settled(t, n)
		events := n.Log(t, id)
		kinds := map[string]bool{}
		for _, r := range b.got() {
			kinds[r.key] = true
			conversation, _, _ := strings.Cut(r.id, ":")
			if conversation != id.String() {
				continue
			}
			var body struct{ Data domain.Event }
			require.NoError(t, json.Unmarshal([]byte(r.body), &body))
			event, _ := events[body.Data.Seq-1].MarshalJSON()
			at, _ := body.Data.At.MarshalJSON()
			require.Equal(t, fmt.Sprintf(`{"type":%q,"timestamp":%s,"data":%s}`, body.Data.Type, at, event), r.body)
			require.Equal(t, "group."+string(body.Data.Type), r.key)
		}
		require.True(t, kinds["direct.message.posted"] && kinds["group.conversation.created"], "%v", kinds)
		require.Len(t, seqs(t, b.got(), id), 201, "nothing came twice")
		var lanes int
		require.NoError(t, storetest.Connect(t, n.URL).QueryRow(t.Context(), `SELECT count(*) FROM webhook_lanes`).Scan(&lanes))
		require.Zero(t, lanes, "a lane goes when nothing is owed")
	})
}

// The broker goes away in the middle, for longer than all attempts take, and comes back:
// nothing is missing, nothing out of order, and nothing was given up.
func TestBrokerAway(t *testing.T) {
	each(t, 0, func(t *testing.T, b *broker) {
		n := storetest.Start(t, pgtest.New(t))
		deliver(t, n, b)
		begun(t, n)
		ids := make([]domain.ConversationID, 5)
		for i := range ids {
			ids[i] = n.Group(t, "alice", "bob")
		}
		var sending sync.WaitGroup
		var posted atomic.Int64
		for _, id := range ids {
			sending.Go(func() {
				for i := range 120 {
					posts(t, n, id, i, 1)
					posted.Add(1)
				}
			})
		}
		for i := range 3 {
			eventually.True(t, "some have come", func() bool { return posted.Load() > int64(150*i) && len(b.got()) > 100*i })
			b.cut()
			time.Sleep(time.Second) // longer than all attempts take
			b.mend()
		}
		sending.Wait()
		for _, id := range ids {
			requireComplete(t, b, id, 1, 121)
		}
		require.Empty(t, settled(t, n).Failed)
	})
}

// While the broker is away, the lanes have no attempts, and a node starts and stops all the
// same.
func TestBrokerAwayAtTheStart(t *testing.T) {
	each(t, 0, func(t *testing.T, b *broker) {
		n := storetest.Start(t, pgtest.New(t))
		b.cut()
		stop := deliver(t, n, b)
		begun(t, n)
		id := n.Group(t, "alice", "bob")
		posts(t, n, id, 0, 3)
		eventually.True(t, "they are owed", func() bool {
			s, err := n.StreamStatus(t.Context())
			return err == nil && s.Events == 4
		})
		time.Sleep(300 * time.Millisecond) // longer than all attempts take
		var attempts int
		require.NoError(t, storetest.Connect(t, n.URL).QueryRow(t.Context(), `SELECT coalesce(sum(attempts), 0) FROM webhook_lanes`).Scan(&attempts))
		require.Zero(t, attempts)
		began := time.Now()
		stop()
		require.Less(t, time.Since(began), 20*time.Second)
		// What is recalled while the broker is away does not leave its text behind.
		_, err := n.Recall("alice", id, 2)
		require.NoError(t, err)
		b.mend()
		deliver(t, n, b)
		requireComplete(t, b, id, 1, 5)
		for _, r := range b.got() {
			require.NotContains(t, r.body, "text 0")
			if strings.HasSuffix(r.id, ":2") {
				require.Contains(t, r.body, `"content":null`)
			}
		}
		require.Empty(t, settled(t, n).Failed)
	})
}

// dying is a store that stops to answer, as that of a node that was killed.
type dying struct {
	*postgres.Store
	dead atomic.Bool
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
	if seq >= 20 {
		s.dead.Store(true)
	}
	if s.dead.Load() {
		<-ctx.Done()
		return false, ctx.Err()
	}
	return s.Store.LaneTaken(ctx, l, seq)
}

// The node that delivers dies after the broker has stored a batch and before it notes that.
// Another node goes on, with repetitions and without a hole.
func TestNodeKilled(t *testing.T) {
	each(t, 0, func(t *testing.T, b *broker) {
		n := storetest.Start(t, pgtest.New(t))
		other := storetest.Start(t, n.URL)
		first := &dying{Store: n.Store}
		deliver(t, n, b, func(o *webhook.Options) { o.Store = first })
		begun(t, n)
		id := n.Group(t, "alice", "bob")
		posts(t, n, id, 0, 30)
		eventually.True(t, "the first node has died", first.dead.Load)
		deliver(t, other, b)
		posts(t, other, id, 30, 30)
		requireComplete(t, b, id, 1, 61)
		settled(t, n)
	})
}

// incompressible returns a text of a length that Kafka's clients cannot compress.
func incompressible(length int) string {
	var text strings.Builder
	for text.Len() < length {
		text.WriteString(rand.Text())
	}
	return text.String()
}

// An event that the broker refuses is given up after the last attempt, and holds up neither
// the other events for good nor other conversations. A replay brings it when the broker
// takes it.
func TestTooLargeForTheBroker(t *testing.T) {
	each(t, 10_000, func(t *testing.T, b *broker) {
		n := storetest.Start(t, pgtest.New(t))
		id := n.Group(t, "alice", "bob")
		quick := n.Group(t, "alice", "bob")
		posts(t, n, id, 0, 2)
		n.Post(t, "alice", id, "large", incompressible(20_000))
		posts(t, n, id, 2, 3)
		posts(t, n, quick, 0, 3)
		// All of them are one batch.
		deliver(t, n, b, func(o *webhook.Options) { o.StreamFrom = &domain.Time{} })
		requireComplete(t, b, quick, 1, 4)
		eventually.True(t, "the others have come", func() bool { return slices.Contains(seqs(t, b.got(), id), 7) })
		var failed []domain.StreamGap
		eventually.True(t, "it is given up", func() bool {
			s, err := n.StreamStatus(t.Context())
			failed = s.Failed
			return err == nil && s.Lanes == 0 && len(failed) > 0
		})
		require.Len(t, failed, 1)
		require.Equal(t, int64(4), failed[0].Seq)
		require.Equal(t, id, failed[0].ConversationID)
		list := seqs(t, b.got(), id)
		require.NotContains(t, list, int64(4))
		for _, seq := range []int64{1, 2, 3, 5, 6, 7} {
			require.Contains(t, list, seq)
		}
	})
}

// A stream begins where the setting says, and a replay brings events again. Without the
// setting nothing grows, and with it again nothing is missing.
func TestBeginReplayAndRest(t *testing.T) {
	each(t, 0, func(t *testing.T, b *broker) {
		n := storetest.Start(t, pgtest.New(t))
		id := n.Group(t, "alice", "bob")
		posts(t, n, id, 0, 3)
		conn := storetest.Connect(t, n.URL)
		_, err := conn.Exec(t.Context(), `UPDATE events SET at = at - interval '1 day'`)
		require.NoError(t, err)
		_, err = n.StreamStatus(t.Context())
		require.ErrorIs(t, err, domain.ErrNotFound)
		stop := deliver(t, n, b, func(o *webhook.Options) { o.StreamFrom = &domain.Time{} })
		requireComplete(t, b, id, 1, 4)
		settled(t, n)
		stop()

		// Nodes without the setting do not hold the stream.
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		without := webhook.New(webhook.Options{Store: n.Store, Lease: time.Second, Pause: 10 * time.Millisecond})
		running.Go(func() { _ = without.Run(ctx) })
		posts(t, n, id, 3, 2)
		_, err = conn.Exec(t.Context(), `UPDATE commits SET at = now() - interval '7 hours'`)
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), storetest.Statements(t, "../store/postgres")["postgres.sweepCommitsSQL"])
		require.NoError(t, err)
		time.Sleep(300 * time.Millisecond)
		s, err := n.StreamStatus(t.Context())
		require.NoError(t, err)
		require.False(t, s.Held)
		require.Zero(t, s.Lanes)
		cancel()
		running.Wait()

		deliver(t, n, b)
		requireComplete(t, b, id, 1, 6)
		settled(t, n)
		came := len(b.got())
		require.NoError(t, n.ReplayStream(t.Context(), domain.WebhookReplay{ConversationID: id, AfterSeq: new(int64(2))}))
		if !strings.HasPrefix(b.address, "nats") { // which drops what it has
			eventually.True(t, "they come again", func() bool { return len(b.got()) >= came+4 })
		}
		settled(t, n)
		require.True(t, complete(seqs(t, b.got(), id), 1, 6))
		require.NoError(t, n.DropStream(t.Context()))
		_, err = n.StreamStatus(t.Context())
		require.ErrorIs(t, err, domain.ErrNotFound)
	})
}

// The API for webhooks does not know the stream, in whatever spelling, and an older node
// cannot hold it.
func TestStreamIsNoWebhook(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	require.NoError(t, n.MakeStream(t.Context(), nil))
	require.NoError(t, n.MakeStream(t.Context(), nil))
	page, err := n.ListWebhooks(t.Context(), "", 10)
	require.NoError(t, err)
	require.Empty(t, page.Items)
	for _, id := range []string{domain.StreamID, "{" + domain.StreamID + "}", strings.ReplaceAll(domain.StreamID, "-", "")} {
		_, err = n.Webhook(t.Context(), id)
		require.ErrorIs(t, err, domain.ErrNotFound)
		_, err = n.WebhookTarget(t.Context(), id)
		require.ErrorIs(t, err, domain.ErrNotFound)
		_, err = n.UpdateWebhook(t.Context(), id, domain.WebhookPatch{URL: new("http://example.com")})
		require.ErrorIs(t, err, domain.ErrNotFound)
		_, err = n.RotateWebhook(t.Context(), id)
		require.ErrorIs(t, err, domain.ErrNotFound)
		_, err = n.WebhookDeliveries(t.Context(), id, "", "", 10)
		require.ErrorIs(t, err, domain.ErrNotFound)
		require.ErrorIs(t, n.DeleteWebhook(t.Context(), id), domain.ErrNotFound)
		require.ErrorIs(t, n.ReplayWebhook(t.Context(), id, domain.WebhookReplay{Since: &domain.Time{}}), domain.ErrNotFound)
	}
	// The claim of a node of the version before migration 14.
	conn := storetest.Connect(t, n.URL)
	for holder, rows := range map[string]int64{"2:older": 0, "oldest": 0, "2:stream:newer": 1} {
		tag, err := conn.Exec(t.Context(), `UPDATE webhooks SET holder = $1, held_until = clock_timestamp() + interval '1 second' WHERE held_until < clock_timestamp()`, holder)
		require.NoError(t, err)
		require.Equal(t, rows, tag.RowsAffected(), holder)
		_, err = conn.Exec(t.Context(), `UPDATE webhooks SET held_until = '-infinity'`)
		require.NoError(t, err)
	}
}
