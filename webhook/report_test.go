package webhook_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
	"im/webhook"
)

// report reports a message as bob, and returns the report as GET /v1/reports lists it.
func report(t *testing.T, n *storetest.Node, id domain.ConversationID, seq int64, text string) domain.Report {
	t.Helper()
	require.NoError(t, n.Report(t.Context(), storetest.User("bob"), id, seq, domain.NewReport{Category: "abuse", Text: text}))
	page, err := n.ListReports(t.Context(), "", "", 500)
	require.NoError(t, err)
	return page.Items[len(page.Items)-1]
}

// A report comes until it was taken, with the same id, also from a node that takes over. It
// says what the list of reports says.
func TestReportCreated(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	other := storetest.Start(t, n.URL)
	e, filtered, events := newEndpoint(t), newEndpoint(t), newEndpoint(t)
	d, stop := deliver(t, n)
	id, another := n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob")
	hook := e.hook(t, d, func(w *domain.NewWebhook) { w.Types = []domain.EventType{domain.ReportCreated} })
	filtered.hook(t, d, func(w *domain.NewWebhook) {
		w.Types, w.ConversationIDs = []domain.EventType{domain.ReportCreated}, []domain.ConversationID{another}
	})
	all := events.hook(t, d)
	stop()
	posts(t, n, id, 0, 1)
	posts(t, n, another, 0, 1)

	first := &dying{Store: n.Store}
	_, _ = deliver(t, n, patient, func(o *webhook.Options) { o.Store = first })
	var refusals atomic.Int64
	e.answers(func(call) int {
		switch {
		case refusals.Add(1) <= 2:
			return http.StatusInternalServerError
		case !first.dead.Load():
			first.dead.Store(true) // the answer is lost
		}
		return http.StatusOK
	})
	reported := report(t, n, id, 2, "<he> insults")
	require.NoError(t, n.Report(t.Context(), storetest.User("bob"), id, 2, domain.NewReport{Category: "spam"}))
	eventually.True(t, "the first node has died", first.dead.Load)
	_, _ = deliver(t, other)
	settled(t, n.Store, hook)
	calls := e.got(false)
	require.Len(t, calls, 4, "two were refused, one was not noted, and one was taken; the second report by the same user changes nothing")
	data, err := json.Marshal(reported)
	require.NoError(t, err)
	at, _ := reported.CreatedAt.MarshalJSON()
	for _, c := range calls {
		require.Equal(t, reported.ReportID+":report", c.id)
		require.Equal(t, fmt.Sprintf(`{"type":"report.created","timestamp":%s,"data":%s}`, at, data), string(c.body))
		require.NoError(t, verify(t, hook.Secret, c))
	}
	_, err = n.Recall("alice", another, 2)
	require.NoError(t, err)
	require.ErrorIs(t, n.Report(t.Context(), storetest.User("bob"), another, 2, domain.NewReport{Category: "spam"}), domain.ErrConflict)
	n.Post(t, "alice", another, "m", "x")
	second := report(t, n, another, 4, "")
	eventually.True(t, "it came to both", func() bool { return len(filtered.got(true)) == 1 && len(e.got(true)) == 3 })
	require.Equal(t, second.ReportID, filtered.got(true)[0].report.ReportID)
	eventually.True(t, "the events came", func() bool { return len(seqs(events.got(true), another)) == 3 })
	settled(t, n.Store, all)
	for _, c := range events.got(false) {
		require.NotContains(t, string(c.body), "report.created", "a webhook for all events gets no reports")
	}
}

// A report that is refused to the end has failed, and is listed as such.
func TestFailedReportIsListed(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	e := newEndpoint(t)
	hook := e.hookOf(t, n, domain.ReportCreated)
	e.answers(func(call) int { return http.StatusTeapot })
	_, _ = deliver(t, n, func(o *webhook.Options) { o.Retries = o.Retries[:1] })
	id := n.Group(t, "alice", "bob")
	posts(t, n, id, 0, 1)
	reported := report(t, n, id, 2, "")
	eventually.True(t, "it has failed", func() bool { return len(waiting(t, n.Store, hook, domain.DeliveryFailed)) == 1 })
	failed := waiting(t, n.Store, hook, "")
	require.Len(t, failed, 1)
	require.Equal(t, domain.ReportCreated, failed[0].Type)
	require.Equal(t, reported.ReportID, failed[0].ReportID)
	require.Equal(t, id, failed[0].ConversationID)
	require.EqualValues(t, 2, failed[0].Seq)
	require.Equal(t, 2, failed[0].Attempts)
	require.Equal(t, http.StatusTeapot, failed[0].Status)
}

// What a webhook does not ask for any more, and what a deleted one was owed, is dropped.
func TestDroppedTracks(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	d, stop := deliver(t, n)
	e := newEndpoint(t)
	hook := e.hook(t, d, func(w *domain.NewWebhook) {
		w.Types = []domain.EventType{domain.MessagePosted, domain.MessageNotify, domain.ReportCreated}
	})
	e.answers(func(call) int { return http.StatusServiceUnavailable })
	stop()
	_, stop = deliver(t, n, patient, notifySoon)
	id := n.Group(t, "alice", "bob")
	posts(t, n, id, 0, 1)
	report(t, n, id, 2, "")
	owed := func() (list []domain.EventType) {
		for _, d := range waiting(t, n.Store, hook, "") {
			list = append(list, d.Type)
		}
		return list
	}
	eventually.True(t, "all are owed", func() bool { return len(owed()) == 3 })
	require.Equal(t, []domain.EventType{"", domain.MessageNotify, domain.ReportCreated}, owed())
	update := func(types ...domain.EventType) {
		_, err := d.UpdateWebhook(t.Context(), hook.WebhookID, domain.WebhookPatch{Types: domain.Field[[]domain.EventType]{Set: true, Value: &types}})
		require.NoError(t, err)
	}
	update(domain.MessagePosted, domain.ReportCreated)
	eventually.True(t, "the others stay owed", func() bool { return slices.Equal([]domain.EventType{"", domain.ReportCreated}, owed()) })
	update(domain.MessageNotify)
	require.Empty(t, owed())
	n.Post(t, "alice", id, "m", "x")
	eventually.True(t, "the notification is owed", func() bool { return len(owed()) == 1 && owed()[0] == domain.MessageNotify })
	stop()
	require.NoError(t, n.DeleteWebhook(t.Context(), hook.WebhookID))
	var rows int
	require.NoError(t, storetest.Connect(t, n.URL).QueryRow(t.Context(), `SELECT count(*) FROM webhook_lanes`).Scan(&rows))
	require.Zero(t, rows)
}

// Nodes of the version before know neither type: they do not get the lease of a webhook that
// asks for one, and keep those of others.
func TestFormerVersionsHoldOnlyWhatTheyKnow(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	e := newEndpoint(t)
	known := e.hookOf(t, n, domain.MessagePosted)
	for _, extra := range []domain.EventType{domain.MessageNotify, domain.ReportCreated} {
		e.hookOf(t, n, domain.MessagePosted, extra)
	}
	conn := storetest.Connect(t, n.URL)
	var held []string
	eventually.True(t, "the leases have ended, and the former version claims what it can", func() bool {
		require.NoError(t, conn.QueryRow(t.Context(), `
WITH claimed AS (
	UPDATE webhooks SET turn = turn + CASE WHEN holder = $1 THEN 0 ELSE 1 END, holder = $1, held_until = clock_timestamp() + $2::interval
	WHERE webhook_id IN (
		SELECT webhook_id FROM webhooks WHERE holder = $1 OR held_until < clock_timestamp() ORDER BY webhook_id FOR UPDATE SKIP LOCKED
	)
	RETURNING webhook_id::text
)
SELECT coalesce(array_agg(webhook_id), '{}') FROM claimed
WHERE NOT EXISTS (SELECT FROM webhooks WHERE held_until >= clock_timestamp() AND holder <> $1)`, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", time.Hour).Scan(&held))
		return len(held) > 0
	})
	require.Equal(t, []string{known.WebhookID}, held)
	claimed, err := n.ClaimWebhooks(t.Context(), "ABC", time.Hour, false)
	require.NoError(t, err)
	require.Len(t, claimed, 2)
}

// The gauges say how much is owed, and how old the oldest of it is.
func TestOwedMetrics(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	e := newEndpoint(t)
	var open atomic.Bool
	e.answers(func(call) int {
		if open.Load() {
			return http.StatusOK
		}
		return http.StatusServiceUnavailable
	})
	hook := e.hookOf(t, n, domain.MessagePosted, domain.MessageNotify, domain.ReportCreated)
	id, other := n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob")
	posts(t, n, id, 0, 4)
	posts(t, n, other, 0, 1)
	report(t, n, id, 2, "")
	_, err := storetest.Connect(t, n.URL).Exec(t.Context(), `UPDATE events SET at = at - interval '300 seconds' WHERE conversation_id = $1`, id)
	require.NoError(t, err)
	metrics := prometheus.NewPedanticRegistry()
	d, _ := deliver(t, n, patient, notifySoon, func(o *webhook.Options) { o.Metrics, o.OwedEvery = metrics, 20*time.Millisecond })
	counted := func(lanes, events [3]int) string {
		text := `
# HELP im_webhook_owed_events Events and reports in these lanes, those that the webhook does not ask for included.
# TYPE im_webhook_owed_events gauge
# HELP im_webhook_owed_lanes Lanes that wait for the enabled webhooks that this node delivers for: conversations, or reports. At most 10,000 of a webhook and track are counted.
# TYPE im_webhook_owed_lanes gauge
`
		for i, track := range []string{"events", "notifications", "reports"} {
			text += fmt.Sprintf("im_webhook_owed_lanes{track=%q} %d\nim_webhook_owed_events{track=%q} %d\n", track, lanes[i], track, events[i])
		}
		return text
	}
	show := func(text string) func() bool {
		return func() bool {
			return testutil.GatherAndCompare(metrics, strings.NewReader(text), "im_webhook_owed_lanes", "im_webhook_owed_events") == nil
		}
	}
	age := func() (seconds float64) {
		families, err := metrics.Gather()
		require.NoError(t, err)
		for _, f := range families {
			if f.GetName() == "im_webhook_owed_age_seconds" {
				seconds = f.GetMetric()[0].GetGauge().GetValue()
			}
		}
		return seconds
	}
	eventually.True(t, "all is owed: 4 messages, and 1 in the other conversation", show(counted([3]int{2, 2, 1}, [3]int{5, 5, 1})))
	require.GreaterOrEqual(t, age(), 300.0)
	disabled, enabled := domain.WebhookDisabled, domain.WebhookEnabled
	_, err = d.UpdateWebhook(t.Context(), hook.WebhookID, domain.WebhookPatch{State: &disabled})
	require.NoError(t, err)
	eventually.True(t, "a disabled webhook does not count", show(counted([3]int{}, [3]int{})))
	open.Store(true)
	_, err = d.UpdateWebhook(t.Context(), hook.WebhookID, domain.WebhookPatch{State: &enabled})
	require.NoError(t, err)
	settled(t, n.Store, hook)
	eventually.True(t, "nothing is owed", show(counted([3]int{}, [3]int{})))
	require.Zero(t, age())
}
