package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
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

// notifySoon lets messages be notified at once.
func notifySoon(o *webhook.Options) { o.NotifyDelay = time.Millisecond }

// deliverByTwo runs Deliverers on two nodes.
func deliverByTwo(t *testing.T, n, other *storetest.Node, change ...func(*webhook.Options)) {
	t.Helper()
	_, _ = deliver(t, n, append(change, notifySoon)...)
	_, _ = deliver(t, other, append(change, notifySoon)...)
}

// hookOf creates a webhook of some types while no node delivers.
func (e *endpoint) hookOf(t *testing.T, n *storetest.Node, types ...domain.EventType) domain.Webhook {
	t.Helper()
	d, stop := deliver(t, n)
	defer stop()
	return e.hook(t, d, func(w *domain.NewWebhook) { w.Types = types })
}

func ack(t *testing.T, n *storetest.Node, id domain.ConversationID, seq int64, who domain.UserID, device domain.DeviceID) {
	t.Helper()
	require.NoError(t, n.Acknowledge(t.Context(), []domain.Ack{{User: who, Device: device, ConversationID: id, Seq: seq}}))
}

func prefer(t *testing.T, n *storetest.Node, id domain.ConversationID, who domain.UserID, notify string) {
	t.Helper()
	_, _, err := n.SetPreferences(t.Context(), storetest.User(who), id, domain.PreferencesPatch{Notify: &notify})
	require.NoError(t, err)
}

func mention(t *testing.T, n *storetest.Node, id domain.ConversationID, msgID string, who ...domain.UserID) domain.Event {
	t.Helper()
	a := storetest.Wait(t, n.Send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: msgID, Content: storetest.Text("x"), Mentions: who}))
	require.NoError(t, a.Err)
	return a.Event
}

// recipients returns the users who are named in the calls about a message, in their order.
func recipients(calls []call, id domain.ConversationID, seq int64) (list []domain.UserID) {
	for _, c := range calls {
		if c.event.ConversationID == id && c.event.Seq == seq {
			for _, r := range c.to {
				list = append(list, r.UserID)
			}
		}
	}
	return list
}

// cameOf waits until a call about a message was taken.
func (e *endpoint) cameOf(t *testing.T, id domain.ConversationID, seq int64) []call {
	t.Helper()
	eventually.True(t, fmt.Sprintf("message %d came", seq), func() bool { return slices.Contains(seqs(e.got(true), id), seq) })
	return e.got(true)
}

// Acknowledgements, read positions, preferences, mentions, blocks and bans decide who is
// notified, as they are when the call is made. Sockets do not.
func TestNotifyRecipients(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	other := storetest.Start(t, n.URL)
	all, offline := newEndpoint(t), newEndpoint(t)
	d, stop := deliver(t, n)
	hook := all.hook(t, d, func(w *domain.NewWebhook) { w.Types = []domain.EventType{domain.MessageNotify} })
	require.Equal(t, domain.RecipientsAll, hook.Recipients)
	offline.hook(t, d, func(w *domain.NewWebhook) {
		w.Types, w.Recipients = []domain.EventType{domain.MessageNotify}, domain.RecipientsOffline
	})
	stop()

	members := []domain.UserID{"acked", "away", "blocker", "banned", "fresh", "gone", "half", "mentioned", "muted", "reader", "unmentioned"}
	elsewhere := n.Group(t, "alice", "away")
	posts(t, n, elsewhere, 0, 3)
	_, err := n.Recall("alice", elsewhere, 3)
	require.NoError(t, err)
	id := n.Group(t, "alice", members...)
	for _, user := range []domain.UserID{"acked", "away", "half", "reader"} {
		ack(t, n, id, 1, user, "phone")
	}
	ack(t, n, elsewhere, 3, "half", "laptop")
	prefer(t, n, id, "muted", domain.NotifyNone)
	prefer(t, n, id, "mentioned", domain.NotifyMentions)
	prefer(t, n, id, "unmentioned", domain.NotifyMentions)
	mention(t, n, id, "m", "mentioned", "muted") // 2

	ack(t, n, id, 2, "acked", "phone")
	ack(t, n, id, 2, "half", "laptop")
	_, err = n.MarkRead(t.Context(), storetest.User("reader"), id, 2)
	require.NoError(t, err)
	n.Block(t, "blocker", "alice", true)
	require.NoError(t, n.BanUser(t.Context(), "banned", nil, ""))
	storetest.Made(t, domain.MemberRemoved)(n.Chat.RemoveMember(t.Context(), storetest.User("alice"), id, "gone"))
	n.AddMember(t, id, "late")
	n.Post(t, "alice", id, "fence", "x") // 5

	deliverByTwo(t, n, other)
	calls := all.cameOf(t, id, 5)
	require.Equal(t, []domain.UserID{"away", "fresh", "half", "mentioned"}, recipients(calls, id, 2))
	require.Equal(t, []domain.UserID{"away", "fresh", "mentioned"}, recipients(offline.cameOf(t, id, 5), id, 2))
	require.Equal(t, []domain.UserID{"acked", "away", "fresh", "half", "late", "reader"}, recipients(calls, id, 5))
	require.Equal(t, []int64{2, 5}, seqs(calls, id), "only messages are notified")
	first := calls[slices.IndexFunc(calls, func(c call) bool { return c.event.ConversationID == id })]
	require.NoError(t, verify(t, hook.Secret, first))
	require.Equal(t, id.String()+":2:notify", first.id)
	require.Equal(t, domain.NotifyRecipient{UserID: "away", UnreadTotal: 4, Notify: "all"}, first.to[0], "2 elsewhere, as one is recalled, and 2 here")
	require.Equal(t, domain.NotifyRecipient{UserID: "mentioned", UnreadTotal: 2, Mentioned: true, Notify: "mentions"}, first.to[3])
	event, _ := first.event.MarshalJSON()
	require.True(t, strings.HasPrefix(string(first.body), `{"type":"message.notify","timestamp":`), "%s", first.body)
	require.Contains(t, string(first.body), `"data":{"event":`+string(event)+`,"recipients":[{"user_id":"away","devices_online":null,"unread_total":4,`)
	settled(t, n.Store, hook)
}

// A message is not notified before the delay, though its lane is due for a former one.
func TestNotifyWaits(t *testing.T) {
	t.Parallel()
	const delay = time.Second
	n := storetest.Start(t, pgtest.New(t))
	e := newEndpoint(t)
	hook := e.hookOf(t, n, domain.MessageNotify)
	id := n.Group(t, "alice", "bob")
	came := make(chan time.Time, 100)
	e.answers(func(call) int { came <- time.Now(); return http.StatusOK })
	_, _ = deliver(t, n, func(o *webhook.Options) { o.NotifyDelay = delay })
	first := n.Post(t, "alice", id, "first", "x")
	eventually.True(t, "half of the delay is over", func() bool { return time.Since(first.At.Time) > delay/2 })
	second := n.Post(t, "alice", id, "second", "x")
	require.GreaterOrEqual(t, storetest.Wait(t, came).Sub(first.At.Time), delay)
	require.GreaterOrEqual(t, storetest.Wait(t, came).Sub(second.At.Time), delay)
	settled(t, n.Store, hook)
	require.Equal(t, []int64{2, 3}, seqs(e.got(true), id))
}

// What was recalled, or read elsewhere, between two attempts is not sent again.
func TestNotifyIsDecidedAtEachAttempt(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	other := storetest.Start(t, n.URL)
	e := newEndpoint(t)
	hook := e.hookOf(t, n, domain.MessageNotify)
	recalled, read := n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob", "carol")
	var open atomic.Bool
	e.answers(func(call) int {
		if open.Load() {
			return http.StatusOK
		}
		return http.StatusServiceUnavailable
	})
	deliverByTwo(t, n, other)
	n.Post(t, "alice", recalled, "secret", "the secret text")
	n.Post(t, "alice", read, "m", "x")
	eventually.True(t, "both were refused", func() bool {
		calls := e.got(false)
		return len(seqs(calls, recalled)) > 1 && len(recipients(calls, read, 2)) > 2
	})
	_, err := n.Recall("alice", recalled, 2)
	require.NoError(t, err)
	_, err = n.MarkRead(t.Context(), storetest.User("bob"), read, 2)
	require.NoError(t, err)
	// A call that was decided before may still be under way.
	eventually.True(t, "only carol is left", func() bool {
		users := recipients(e.got(false), read, 2)
		return len(users) > 1 && users[len(users)-1] == "carol" && users[len(users)-2] == "carol"
	})
	settledLane := func() bool {
		list := waiting(t, n.Store, hook, domain.DeliveryWaiting)
		return len(list) == 1 && list[0].ConversationID == read && list[0].Type == domain.MessageNotify
	}
	eventually.True(t, "the recalled one is not owed any more", settledLane)
	open.Store(true)
	n.Post(t, "alice", recalled, "fence", "x")
	require.Equal(t, []int64{4}, seqs(e.cameOf(t, recalled, 4), recalled))
	require.Equal(t, []domain.UserID{"carol"}, recipients(e.cameOf(t, read, 2), read, 2))
	require.Equal(t, read.String()+":2:notify", e.got(false)[slices.IndexFunc(e.got(false), func(c call) bool { return c.event.ConversationID == read })].id)
	settled(t, n.Store, hook)
	require.Empty(t, waiting(t, n.Store, hook, ""))
}

// A message that is older than ten minutes is dropped: when it was never tried, and when
// its attempts have failed.
func TestOldIsNotNotified(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	e := newEndpoint(t)
	hook := e.hookOf(t, n, domain.MessageNotify)
	id, tried := n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob")
	age := func(of domain.ConversationID) {
		_, err := storetest.Connect(t, n.URL).Exec(t.Context(), `UPDATE events SET at = at - interval '10 minutes' WHERE conversation_id = $1`, of)
		require.NoError(t, err)
	}
	posts(t, n, id, 0, 2)
	age(id)
	e.answers(func(c call) int {
		if c.event.ConversationID == tried && c.event.Seq == 2 {
			return http.StatusBadGateway
		}
		return http.StatusOK
	})
	metrics := prometheus.NewPedanticRegistry()
	_, _ = deliver(t, n, notifySoon, func(o *webhook.Options) { o.Metrics, o.Retries = metrics, o.Retries[:1] })
	n.Post(t, "alice", id, "fence", "x")
	require.Equal(t, []int64{4}, seqs(e.cameOf(t, id, 4), id))
	n.Post(t, "alice", tried, "m", "x")
	eventually.True(t, "it is tried on, more often than an event", func() bool { return len(seqs(e.got(false), tried)) > 3 })
	age(tried)
	settled(t, n.Store, hook)
	require.Empty(t, waiting(t, n.Store, hook, ""), "it has not failed: it was dropped")
	require.NoError(t, testutil.GatherAndCompare(metrics, strings.NewReader(`
# HELP im_webhook_dropped_total Messages that were too old for their message.notify, those without recipients included.
# TYPE im_webhook_dropped_total counter
im_webhook_dropped_total 3
`), "im_webhook_dropped_total"))
	n.Post(t, "alice", tried, "fence", "x")
	require.Equal(t, []int64{3}, seqs(e.cameOf(t, tried, 3), tried), "later ones do not wait for it")
}

// BeginPart implements webhook.Store.
func (s *dying) BeginPart(ctx context.Context, l *domain.WebhookLane, n *domain.Notification) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	return s.Store.BeginPart(ctx, l, n)
}

// The node dies between the answer of the endpoint and its note of it. Another one makes the
// same call again, with the same id, and goes on.
func TestNotifyNodeKilled(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	other := storetest.Start(t, n.URL)
	e := newEndpoint(t)
	hook := e.hookOf(t, n, domain.MessageNotify)
	first := &dying{Store: n.Store}
	_, _ = deliver(t, n, notifySoon, func(o *webhook.Options) { o.Store = first })
	id := n.Group(t, "alice", "bob")
	e.answers(func(c call) int {
		if c.event.Seq == 4 {
			first.dead.Store(true)
		}
		return http.StatusOK
	})
	posts(t, n, id, 0, 1)
	e.cameOf(t, id, 2)
	_, _ = deliver(t, other, notifySoon)
	posts(t, n, id, 1, 5)
	calls := e.cameOf(t, id, 7)
	require.Equal(t, []int64{2, 3, 4, 4, 5, 6, 7}, seqs(calls, id), "only the one without a note came twice")
	require.Equal(t, calls[2].id, calls[3].id)
	settled(t, n.Store, hook)
}

// The message.notify of a large group has a call for each part of the members. A node that
// dies in between leaves its part to the next one, which does not take other members into it.
func TestNotifyLargeGroup(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	other := storetest.Start(t, n.URL)
	e := newEndpoint(t)
	hook := e.hookOf(t, n, domain.MessageNotify)
	users := make([]domain.UserID, 10)
	for i := range users {
		users[i] = domain.UserID(fmt.Sprint("user-", i))
	}
	id := n.Group(t, "alice", users...)
	parts := func(o *webhook.Options) { o.NotifyMembers = 3 }
	first := &dying{Store: n.Store}
	var once sync.Once
	e.answers(func(c call) int {
		if c.id == id.String()+":2:notify:2" {
			once.Do(func() {
				first.dead.Store(true)
				ack(t, n, id, 2, "user-2", "phone")
			})
		}
		return http.StatusOK
	})
	posts(t, n, id, 0, 2)
	_, stop := deliver(t, n, notifySoon, parts, func(o *webhook.Options) { o.Store = first })
	eventually.True(t, "the first node has died", first.dead.Load)
	_, _ = deliver(t, other, notifySoon, parts)
	e.cameOf(t, id, 3)
	settled(t, n.Store, hook)
	stop()
	var got []string
	for _, c := range e.got(true) {
		names := make([]string, len(c.to))
		for i, r := range c.to {
			names[i] = strings.TrimPrefix(string(r.UserID), "user-")
		}
		got = append(got, strings.TrimPrefix(c.id, id.String()+":")+" "+strings.Join(names, ""))
	}
	require.Equal(t, []string{
		"2:notify 01", "2:notify:2 234", "2:notify:2 34", "2:notify:3 567", "2:notify:4 89", // alice is the first of eleven members
		"3:notify 01", "3:notify:2 234", "3:notify:3 567", "3:notify:4 89",
	}, got)
}

// The parts of a message are its own, though its lane has waited for it after the parts of
// another one.
func TestNotifyLargeGroupAfterAnother(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	e := newEndpoint(t)
	hook := e.hookOf(t, n, domain.MessageNotify)
	id := n.Group(t, "alice", "user-0", "user-1", "user-2", "user-3", "user-4")
	conn := storetest.Connect(t, n.URL)
	var once sync.Once
	e.answers(func(call) int {
		once.Do(func() { // the lane has it, and it is not due, when the first message is done
			n.Post(t, "alice", id, "later", "x")
			eventually.True(t, "the lane has the second message", func() (has bool) {
				require.NoError(t, conn.QueryRow(t.Context(), `SELECT bool_or(head_seq = 3) FROM webhook_lanes`).Scan(&has))
				return has
			})
		})
		return http.StatusOK
	})
	_, _ = deliver(t, n, func(o *webhook.Options) { o.NotifyMembers, o.NotifyDelay = 2, 4*time.Second })
	n.Post(t, "alice", id, "first", "x")
	e.cameOf(t, id, 3)
	settled(t, n.Store, hook)
	var got []string
	for _, c := range e.got(true) {
		for _, r := range c.to {
			got = append(got, strings.TrimPrefix(c.id, id.String()+":")+" "+string(r.UserID))
		}
	}
	require.Equal(t, []string{
		"2:notify user-0", "2:notify:2 user-1", "2:notify:2 user-2", "2:notify:3 user-3", "2:notify:3 user-4",
		"3:notify user-0", "3:notify:2 user-1", "3:notify:2 user-2", "3:notify:3 user-3", "3:notify:3 user-4",
	}, got)
}

// An endpoint that does not answer notifications gets events and reports all the same.
func TestTracksDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	e := newEndpoint(t)
	hook := e.hookOf(t, n, domain.MessageNotify, domain.ReportCreated, domain.MessagePosted)
	open := make(chan struct{})
	release := sync.OnceFunc(func() { close(open) })
	t.Cleanup(release)
	e.answers(func(c call) int {
		if c.to != nil {
			<-open
		}
		return http.StatusOK
	})
	_, _ = deliver(t, n, notifySoon, stuckForLong)
	ids := make([]domain.ConversationID, 20)
	for i := range ids {
		ids[i] = n.Group(t, "alice", "bob")
		posts(t, n, ids[i], 0, 1)
	}
	eventually.True(t, "all events came", func() bool { return len(e.got(true)) == len(ids) })
	require.NoError(t, n.Report(t.Context(), storetest.User("bob"), ids[0], 2, domain.NewReport{Category: "spam"}))
	eventually.True(t, "the report came", func() bool { return len(e.got(true)) == len(ids)+1 })
	release()
	eventually.True(t, "the notifications came", func() bool { return len(e.got(true)) == 2*len(ids)+1 })
	settled(t, n.Store, hook)
}

// The feed was swept before the webhook had read it: messages of the last ten minutes are
// found in the log, and notified. So they are by a replay, again.
func TestNotifyFromTheLog(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	e := newEndpoint(t)
	hook := e.hookOf(t, n, domain.MessageNotify)
	old, young := n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob")
	posts(t, n, old, 0, 1)
	posts(t, n, young, 0, 2)
	conn := storetest.Connect(t, n.URL)
	for _, sql := range []string{
		`UPDATE events SET at = at - interval '1 hour' WHERE conversation_id = $1`,
		`UPDATE conversations SET last_at = last_at - interval '1 hour' WHERE id = $1`,
	} {
		_, err := conn.Exec(t.Context(), sql, old)
		require.NoError(t, err)
	}
	_, err := conn.Exec(t.Context(), `UPDATE commits SET at = now() - interval '7 hours'`)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), storetest.Statements(t, "../store/postgres")["postgres.sweepCommitsSQL"])
	require.NoError(t, err)
	_, _ = deliver(t, n, notifySoon)
	e.cameOf(t, young, 3)
	settled(t, n.Store, hook)
	require.Equal(t, []int64{2, 3}, seqs(e.got(false), young))
	for _, id := range []domain.ConversationID{old, young} {
		require.NoError(t, n.ReplayWebhook(t.Context(), hook.WebhookID, domain.WebhookReplay{ConversationID: id, AfterSeq: new(int64(0))}))
	}
	eventually.True(t, "they came again", func() bool { return len(seqs(e.got(true), young)) == 4 })
	settled(t, n.Store, hook)
	require.Equal(t, []int64{2, 3, 2, 3}, seqs(e.got(false), young))
	require.Empty(t, seqs(e.got(false), old), "what is older is dropped")
}
