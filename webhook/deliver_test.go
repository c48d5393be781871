package webhook_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/proxytest"
	"im/test/storetest"
	"im/webhook"
)

func TestDeliver(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	before := n.Group(t, "alice", "bob")
	d, _ := deliver(t, n)
	e := newEndpoint(t)
	hook := e.hook(t, d)
	require.True(t, strings.HasPrefix(hook.Secret, "whsec_"))
	id := n.Group(t, "alice", "bob")
	posts(t, n, id, 0, 3)
	n.Post(t, "alice", before, "late", "x")
	eventually.True(t, "all came", func() bool { return len(e.got(true)) == 5 })

	calls := e.got(true)
	require.Equal(t, upTo(4), seqs(calls, id))
	require.Equal(t, []int64{2}, seqs(calls, before), "the events before the webhook are not sent")
	events, err := n.LogRange(t.Context(), id, 0, 100)
	require.NoError(t, err)
	for _, c := range calls {
		require.NoError(t, verify(t, hook.Secret, c))
		require.Equal(t, "application/json", c.header.Get("Content-Type"))
		require.Equal(t, fmt.Sprintf("%s:%d", c.event.ConversationID, c.event.Seq), c.id)
		if c.event.ConversationID == id {
			event, _ := events[c.event.Seq-1].MarshalJSON()
			at, _ := c.event.At.MarshalJSON()
			require.Equal(t, fmt.Sprintf(`{"type":%q,"timestamp":%s,"data":%s}`, c.event.Type, at, event), string(c.body))
		}
	}
	settled(t, n.Store, hook)
	var lanes int
	require.NoError(t, storetest.Connect(t, n.URL).QueryRow(t.Context(), `SELECT count(*) FROM webhook_lanes`).Scan(&lanes))
	require.Zero(t, lanes, "a lane goes when nothing is owed")

	result, err := d.TestWebhook(t.Context(), hook.WebhookID)
	require.NoError(t, err)
	require.True(t, result.Taken, "%+v", result)
	calls = e.got(true)
	require.NoError(t, verify(t, hook.Secret, calls[len(calls)-1]))
	require.Contains(t, string(calls[len(calls)-1].body), `"type":"webhook.test"`)

	require.NoError(t, n.DeleteWebhook(t.Context(), hook.WebhookID))
	_, err = n.Webhook(t.Context(), hook.WebhookID)
	require.ErrorIs(t, err, domain.ErrNotFound)
}

func TestFilters(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	d, _ := deliver(t, n)
	one, other := n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob")
	e := newEndpoint(t)
	hook := e.hook(t, d, func(w *domain.NewWebhook) {
		w.Types, w.ConversationIDs = []domain.EventType{domain.MessagePosted}, []domain.ConversationID{one}
	})
	for i := range 3 {
		posts(t, n, one, i, 1)
		n.Post(t, "alice", other, fmt.Sprint(i), "x")
		n.AddMember(t, one, domain.UserID(fmt.Sprint("u", i)))
	}
	eventually.True(t, "all came", func() bool { return len(e.got(true)) == 3 })
	settled(t, n.Store, hook)
	require.Equal(t, []int64{2, 4, 6}, seqs(e.got(false), one))
	require.Empty(t, seqs(e.got(false), other))
}

// A conversation whose event is refused keeps its order, and holds up no other one.
func TestOrderUnderAFailingEndpoint(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	d, _ := deliver(t, n, patient)
	slow, quick := n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob")
	e := newEndpoint(t)
	hook := e.hook(t, d)
	var refusals atomic.Int64
	open := make(chan struct{})
	e.answers(func(c call) int {
		if c.event.ConversationID != slow {
			return http.StatusOK
		}
		select {
		case <-open:
			if c.event.Seq%2 == 0 && refusals.Add(1)%3 != 0 {
				return http.StatusInternalServerError
			}
			return http.StatusOK
		default:
			refusals.Add(1)
			return http.StatusServiceUnavailable
		}
	})
	posts(t, n, slow, 0, 1)
	eventually.True(t, "it was refused", func() bool { return refusals.Load() > 1 })
	posts(t, n, quick, 0, 3)
	eventually.True(t, "the other conversation goes on", func() bool { return len(seqs(e.got(true), quick)) == 3 })
	require.Empty(t, seqs(e.got(true), slow))
	var listed []domain.Delivery
	eventually.True(t, "only the refused one is owed", func() bool {
		listed = waiting(t, n.Store, hook, domain.DeliveryWaiting)
		return len(listed) == 1
	})
	require.Equal(t, 503, listed[0].Status)
	require.Equal(t, "the answer was 503 Service Unavailable", listed[0].Error)
	require.NotNil(t, listed[0].NextAttemptAt)
	posts(t, n, slow, 1, 8)
	close(open)
	eventually.True(t, "all came", func() bool { return len(seqs(e.got(true), slow)) == 9 })
	require.Equal(t, upTo(10)[1:], seqs(e.got(true), slow))
	requireOrder(t, seqs(e.got(false), slow), 2, 10)
	settled(t, n.Store, hook)
}

// After the last attempt an event has failed, and its conversation goes on. A replay brings
// it again.
func TestFailedAndReplayed(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	d, _ := deliver(t, n, func(o *webhook.Options) { o.Retries = o.Retries[:2] })
	id := n.Group(t, "alice", "bob")
	e := newEndpoint(t)
	hook := e.hook(t, d)
	var broken atomic.Bool
	broken.Store(true)
	e.answers(func(c call) int {
		if broken.Load() && c.event.Seq == 3 {
			return http.StatusFound // redirects are failures
		}
		return http.StatusOK
	})
	e.header.Set("Location", "/elsewhere")
	posts(t, n, id, 0, 4)
	eventually.True(t, "the others came", func() bool { return len(e.got(true)) == 3 })
	settled(t, n.Store, hook)
	require.Equal(t, []int64{2, 3, 3, 3, 4, 5}, seqs(e.got(false), id), "three attempts, and no redirect was followed")
	failed := waiting(t, n.Store, hook, "")
	require.Len(t, failed, 1)
	require.Equal(t, domain.DeliveryFailed, failed[0].State)
	require.Equal(t, int64(3), failed[0].Seq)
	require.Equal(t, 3, failed[0].Attempts)
	require.Equal(t, 302, failed[0].Status)

	broken.Store(false)
	require.NoError(t, n.ReplayWebhook(t.Context(), hook.WebhookID, domain.WebhookReplay{ConversationID: id, AfterSeq: new(int64(2))}))
	eventually.True(t, "they came again", func() bool { return len(e.got(true)) == 6 })
	require.Equal(t, []int64{2, 4, 5, 3, 4, 5}, seqs(e.got(true), id))
	settled(t, n.Store, hook)
	require.Empty(t, waiting(t, n.Store, hook, ""), "what was taken has not failed any more")

	other := n.Group(t, "alice", "bob")
	require.NoError(t, n.ReplayWebhook(t.Context(), hook.WebhookID, domain.WebhookReplay{Since: &domain.Time{}}))
	eventually.True(t, "everything came", func() bool {
		return len(seqs(e.got(true), id)) == 11 && len(seqs(e.got(true), other)) >= 1
	})
	require.Equal(t, upTo(5), seqs(e.got(true), id)[6:])
	require.ErrorIs(t, n.ReplayWebhook(t.Context(), hook.WebhookID, domain.WebhookReplay{ConversationID: domain.ConversationID{9}, AfterSeq: new(int64(2))}), domain.ErrNotFound)
}

func TestGoneDisables(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	d, _ := deliver(t, n)
	id := n.Group(t, "alice", "bob")
	e := newEndpoint(t)
	hook := e.hook(t, d)
	e.answers(func(call) int { return http.StatusGone })
	posts(t, n, id, 0, 2)
	eventually.True(t, "it is disabled", func() bool {
		now, err := n.Webhook(t.Context(), hook.WebhookID)
		require.NoError(t, err)
		return now.State == domain.WebhookDisabled && now.DisabledReason != ""
	})
	posts(t, n, id, 2, 2)
	eventually.True(t, "the rest is owed", func() bool {
		var head int64
		err := storetest.Connect(t, n.URL).QueryRow(t.Context(), `SELECT max(head_seq) FROM webhook_lanes`).Scan(&head)
		return err == nil && head == 5
	})
	require.Len(t, e.got(false), 1, "a disabled webhook gets no calls")
	e.answers(nil)
	enabled := domain.WebhookEnabled
	_, err := d.UpdateWebhook(t.Context(), hook.WebhookID, domain.WebhookPatch{State: &enabled})
	require.NoError(t, err)
	eventually.True(t, "all came", func() bool { return len(e.got(true)) == 4 })
	require.Equal(t, []int64{2, 3, 4, 5}, seqs(e.got(true), id))
}

func TestRetryAfterIsHeeded(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	d, _ := deliver(t, n)
	id := n.Group(t, "alice", "bob")
	e := newEndpoint(t)
	hook := e.hook(t, d)
	e.header.Set("Retry-After", "3600")
	e.answers(func(call) int { return http.StatusTooManyRequests })
	posts(t, n, id, 0, 1)
	eventually.True(t, "it was refused", func() bool {
		list := waiting(t, n.Store, hook, domain.DeliveryWaiting)
		return len(list) == 1 && list[0].Attempts == 1
	})
	next := waiting(t, n.Store, hook, domain.DeliveryWaiting)[0].NextAttemptAt
	require.Greater(t, time.Until(next.Time), 50*time.Minute)
}

func TestRotation(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	d, _ := deliver(t, n)
	id := n.Group(t, "alice", "bob")
	e := newEndpoint(t)
	hook := e.hook(t, d)
	rotated, err := n.RotateWebhook(t.Context(), hook.WebhookID)
	require.NoError(t, err)
	require.NotEqual(t, hook.Secret, rotated.Secret)
	test := func() call {
		result, err := d.TestWebhook(t.Context(), hook.WebhookID)
		require.NoError(t, err)
		require.True(t, result.Taken)
		calls := e.got(true)
		return calls[len(calls)-1]
	}
	c := test()
	require.NoError(t, verify(t, hook.Secret, c), "the former secret signs as well")
	require.NoError(t, verify(t, rotated.Secret, c))
	posts(t, n, id, 0, 1)
	eventually.True(t, "an event came", func() bool { return len(seqs(e.got(true), id)) == 1 })
	_, err = storetest.Connect(t, n.URL).Exec(t.Context(), `UPDATE webhooks SET rotated_until = now() - interval '1 second'`)
	require.NoError(t, err)
	c = test()
	require.Error(t, verify(t, hook.Secret, c), "a day later it does not")
	require.NoError(t, verify(t, rotated.Secret, c))
}

// The text of a message that was recalled before it was sent is not sent.
func TestRecallInBetween(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	d, _ := deliver(t, n, patient)
	id := n.Group(t, "alice", "bob")
	e := newEndpoint(t)
	hook := e.hook(t, d)
	var away atomic.Bool
	away.Store(true)
	e.answers(func(call) int {
		if away.Load() {
			return http.StatusBadGateway
		}
		return http.StatusOK
	})
	n.Post(t, "alice", id, "first", "x")
	eventually.True(t, "the endpoint is away", func() bool { return len(e.got(false)) > 1 })
	n.Post(t, "alice", id, "secret", "the secret text")
	tried := len(e.got(false))
	eventually.True(t, "the endpoint is still away", func() bool { return len(e.got(false)) > tried+2 })
	_, err := n.Recall("alice", id, 3)
	require.NoError(t, err)
	away.Store(false)
	eventually.True(t, "all came", func() bool { return len(e.got(true)) == 3 })
	settled(t, n.Store, hook)
	require.Equal(t, []int64{2, 3, 4}, seqs(e.got(true), id))
	for _, c := range e.got(false) {
		require.NotContains(t, string(c.body), "the secret text")
	}
	require.Contains(t, string(e.got(true)[1].body), `"content":null`)
}

// An endpoint that does not answer delays no other webhook.
func TestSlowEndpointHarmsOnlyItself(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	d, _ := deliver(t, n, stuckForLong)
	stuck, good := newEndpoint(t), newEndpoint(t)
	open := make(chan struct{})
	stuck.answers(func(call) int { <-open; return http.StatusOK })
	defer close(open)
	stuck.hook(t, d)
	hook := good.hook(t, d)
	for range 20 {
		posts(t, n, n.Group(t, "alice", "bob"), 0, 1)
	}
	eventually.True(t, "all came", func() bool { return len(good.got(true)) == 40 })
	settled(t, n.Store, hook)
	require.Empty(t, stuck.got(true))
}

// A connection to the database that becomes half-open while a lane is ended delays the
// conversation, for the time of an attempt. It does not stop it.
func TestHalfOpenWhileALaneEnds(t *testing.T) {
	t.Parallel()
	via, proxy := proxytest.Before(t, pgtest.New(t))
	n := storetest.Start(t, via)
	d, _ := deliver(t, n)
	e := newEndpoint(t)
	e.hook(t, d)
	passed := proxy.HoldAnswerTo("next_seq > head_seq") // of the statement that ends a lane
	id := n.Group(t, "alice", "bob")
	e.cameOf(t, id, 1)
	storetest.Wait(t, passed)
	n.Post(t, "alice", id, "m", "x")
	e.cameOf(t, id, 2)
}
