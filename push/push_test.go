package push_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/publicaddr"
	"im/push"
	"im/store/postgres"
	"im/test/eventually"
	"im/test/leaktest"
	"im/test/pgtest"
	"im/test/storetest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// run runs a Pusher until the test ends, or stop is called.
func run(t *testing.T, n *storetest.Node, senders map[domain.PushProvider]push.Sender, change ...func(*push.Options)) (p *push.Pusher, stop func()) {
	t.Helper()
	o := push.Options{
		Store: n.Store, Senders: senders, Allow: loopback, Delay: 10 * time.Millisecond, Lease: time.Second, Claim: 11 * time.Second,
		Pause: 10 * time.Millisecond, Retry: 20 * time.Millisecond, Look: time.Hour,
	}
	for _, c := range change {
		c(&o)
	}
	p = push.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(stop)
	// What is committed before the feed is followed is not pushed.
	eventually.True(t, "the feed is followed", func() bool { return ask[bool](t, n, `SELECT position <> '' FROM push_feed`) })
	return p, stop
}

func only(p domain.PushProvider, s push.Sender) map[domain.PushProvider]push.Sender {
	return map[domain.PushProvider]push.Sender{p: s}
}

// fcm registers a device with the token user-device.
func fcm(t *testing.T, p *push.Pusher, user domain.UserID, device domain.DeviceID, change ...func(*domain.PushRegistration)) string {
	t.Helper()
	r := domain.PushRegistration{User: user, Device: device, Address: domain.PushAddress{Provider: domain.PushFCM, Token: string(user) + "-" + string(device)}}
	for _, c := range change {
		c(&r)
	}
	require.NoError(t, p.PutPush(t.Context(), r))
	return r.Address.Token
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

func send(t *testing.T, n *storetest.Node, id domain.ConversationID, msgID string, mentions ...domain.UserID) domain.Event {
	t.Helper()
	a := storetest.Wait(t, n.Send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: msgID, Content: storetest.Text("text of " + msgID), Mentions: mentions}))
	require.NoError(t, a.Err)
	return a.Event
}

// ask returns the value that a query returns. Its connection is closed at once, because
// tests ask very often.
func ask[T any](t *testing.T, n *storetest.Node, sql string) (value T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), n.URL)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&value))
	return value
}

// rows returns how many notifications are kept.
func rows(t *testing.T, n *storetest.Node, where string) int {
	t.Helper()
	return ask[int](t, n, `SELECT count(*) FROM push_notifications WHERE `+where)
}

func settled(t *testing.T, n *storetest.Node) {
	t.Helper()
	eventually.True(t, "the feed was read", func() bool {
		page, err := n.Feed(t.Context(), domain.FeedPosition(ask[string](t, n, `SELECT position FROM push_feed`)))
		require.NoError(t, err)
		return len(page.Heads) == 0
	})
	eventually.True(t, "nothing is owed", func() bool {
		return ask[int](t, n, `SELECT count(*) FROM push_lanes`) == 0 && rows(t, n, "seq > sent_seq") == 0
	})
}

// Acknowledgements, read positions, preferences, mentions, blocks and bans decide which
// devices are notified; each device by itself.
func TestWhoIsNotified(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	server := newFCM(t)
	p, stop := run(t, n, only(domain.PushFCM, server), func(o *push.Options) { o.Delay = time.Millisecond })
	stop() // so that all is decided at once
	members := []domain.UserID{"away", "acked", "reader", "muted", "mentioned", "unmentioned", "blocker", "banned", "gone", "unregistered"}
	elsewhere := n.Group(t, "alice", "away")
	send(t, n, elsewhere, "before")
	id := n.Group(t, "alice", members...)
	prefer(t, n, id, "muted", domain.NotifyNone)
	prefer(t, n, id, "mentioned", domain.NotifyMentions)
	prefer(t, n, id, "unmentioned", domain.NotifyMentions)
	for _, user := range append(members[:9:9], "alice", "late", "stranger") {
		fcm(t, p, user, "phone")
	}
	laptop := fcm(t, p, "acked", "laptop")
	send(t, n, id, "m", "mentioned", "muted") // 2
	ack(t, n, id, 2, "acked", "phone")
	_, err := n.MarkRead(t.Context(), storetest.User("reader"), id, 2)
	require.NoError(t, err)
	n.Block(t, "blocker", "alice", true)
	storetest.Made(t, domain.MemberRemoved)(n.Chat.RemoveMember(t.Context(), storetest.User("alice"), id, "gone"))
	n.AddMember(t, id, "late")
	// Only the ban: its revocation removes the registration, too.
	_, err = storetest.Connect(t, n.URL).Exec(t.Context(), `INSERT INTO user_bans (user_id, reason) VALUES ('banned', '')`)
	require.NoError(t, err)

	_, _ = run(t, n, only(domain.PushFCM, server))
	settled(t, n)
	list := slices.DeleteFunc(server.await(t, 3), func(g got) bool { return g.payload.ConversationID != id.String() })
	var tokens []string
	for _, g := range list {
		require.EqualValues(t, 2, g.payload.Seq)
		tokens = append(tokens, g.token)
	}
	require.ElementsMatch(t, []string{"away-phone", laptop, "mentioned-phone"}, tokens)
	away := list[slices.IndexFunc(list, func(g got) bool { return g.token == "away-phone" })]
	require.Equal(t, payload{"message", id.String(), 2, "alice", "a group", "alice: text of m", 2, false}, away.payload)
	message := away.raw["message"].(map[string]any)
	android := message["android"].(map[string]any)
	require.Equal(t, id.String(), android["collapse_key"])
	require.Equal(t, "HIGH", android["priority"])
	require.Equal(t, map[string]any{"tag": id.String(), "notification_count": 2.0}, android["notification"])
	require.True(t, list[slices.IndexFunc(list, func(g got) bool { return g.token == "mentioned-phone" })].payload.Mentioned)
}

// All providers tell the same, in their own forms; previews and words are those that the
// device asks for.
func TestProviders(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	f, a, w := newFCM(t), newAPNS(t), newWebPush(t, "browser")
	p, _ := run(t, n, map[domain.PushProvider]push.Sender{domain.PushFCM: f, domain.PushAPNS: a, domain.PushWeb: w})
	require.Equal(t, domain.PushInfo{Providers: domain.PushProviders(), VAPIDPublicKey: w.PublicKey()}, p.PushInfo())
	id := n.Group(t, "alice", "bob")
	token := strings.Repeat("ab12", 16)
	fcm(t, p, "bob", "android")
	require.NoError(t, p.PutPush(t.Context(), domain.PushRegistration{
		User: "bob", Device: "iphone", Preview: domain.PreviewSender, Locale: "de", Address: domain.PushAddress{Provider: domain.PushAPNS, Token: token},
	}))
	require.NoError(t, p.PutPush(t.Context(), domain.PushRegistration{
		User: "bob", Device: "browser", Preview: domain.PreviewNone, Locale: "fr-CA", Address: w.address("browser"),
	}))
	e := send(t, n, id, "m")
	want := payload{"message", id.String(), e.Seq, "alice", "a group", "alice: text of m", 1, false}
	require.Equal(t, want, f.await(t, 1)[0].payload)
	want.Body = "Neue Nachricht"
	sent := a.await(t, 1)[0]
	require.Equal(t, token, sent.token)
	require.Equal(t, want, sent.payload)
	require.Equal(t, id.String(), sent.header.Get("apns-collapse-id"))
	require.Equal(t, "10", sent.header.Get("apns-priority"))
	want.Body, want.Title, want.Sender = "Nouveau message", "", ""
	require.Equal(t, want, w.await(t, 1)[0].payload)
	require.Equal(t, map[string]any{"type": "message", "conversation_id": id.String(), "seq": float64(e.Seq), "unread_total": 1.0, "body": "Nouveau message"},
		w.got()[0].raw, "no more than that leaves the server")

	for device, provider := range map[domain.DeviceID]domain.PushProvider{"android": domain.PushFCM, "iphone": domain.PushAPNS, "browser": domain.PushWeb} {
		test, err := p.TestPush(t.Context(), "bob", device)
		require.NoError(t, err)
		want := domain.PushTest{Provider: provider, Taken: true, Status: 200, Answer: "{}", DurationMS: test.DurationMS}
		if provider == domain.PushWeb {
			want.Answer = "" // the server is in a network that is not public
		}
		require.Equal(t, want, test)
	}
	require.Equal(t, payload{Type: "test", Body: "Notifications work"}, f.await(t, 2)[1].payload)
	require.Equal(t, payload{Type: "test", Body: "Les notifications fonctionnent"}, w.await(t, 2)[1].payload)
	_, err := p.TestPush(t.Context(), "bob", "other")
	require.ErrorIs(t, err, domain.ErrNotFound)
}

// Nothing is pushed before the delay is over. What comes in between is one notification,
// about the last message, and a further one replaces it after another delay.
func TestOneNotificationAConversation(t *testing.T) {
	t.Parallel()
	const delay = time.Second
	n := storetest.Start(t, pgtest.New(t))
	server := newFCM(t)
	came := make(chan time.Time, 10)
	server.answers(func(got) (int, string) { came <- time.Now(); return http.StatusOK, "{}" })
	p, _ := run(t, n, only(domain.PushFCM, server), func(o *push.Options) { o.Delay = delay })
	id := n.Group(t, "alice", "bob")
	fcm(t, p, "bob", "phone")
	first := send(t, n, id, "first")
	for i := range 5 {
		send(t, n, id, fmt.Sprint(i))
	}
	require.GreaterOrEqual(t, storetest.Wait(t, came).Sub(first.At.Time), delay)
	settled(t, n)
	send(t, n, id, "last") // 8
	settled(t, n)
	seqs := of(server.await(t, 2), "bob-phone")
	require.EqualValues(t, 8, seqs[len(seqs)-1])
	require.LessOrEqual(t, len(seqs), 4, "not one for each of seven messages: %v", seqs)
	require.Equal(t, 1, rows(t, n, "true"), "one row, however many messages there were")
}

// What is acknowledged, read or recalled while it waits for its next attempt is not sent;
// nor is what is older than ten minutes. The text is that of the last edit.
func TestDecidedAtEachAttempt(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	server := newFCM(t)
	var open atomic.Bool
	server.answers(func(got) (int, string) {
		if open.Load() {
			return http.StatusOK, "{}"
		}
		return http.StatusServiceUnavailable, "{}"
	})
	metrics := prometheus.NewPedanticRegistry()
	p, _ := run(t, n, only(domain.PushFCM, server), func(o *push.Options) { o.Metrics, o.Retry = metrics, 300*time.Millisecond })
	fcm(t, p, "bob", "phone")
	acked, read, recalled, old, edited := n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob")
	all := []domain.ConversationID{acked, read, recalled, old, edited}
	for _, id := range all {
		send(t, n, id, "m")
	}
	eventually.True(t, "each was refused", func() bool {
		seen := map[string]bool{}
		for _, g := range server.got() {
			seen[g.payload.ConversationID] = true
		}
		return len(seen) == len(all)
	})
	ack(t, n, acked, 2, "bob", "phone")
	_, err := n.MarkRead(t.Context(), storetest.User("bob"), read, 2)
	require.NoError(t, err)
	_, err = n.Recall("alice", recalled, 2)
	require.NoError(t, err)
	_, err = storetest.Connect(t, n.URL).Exec(t.Context(), `UPDATE events SET at = at - interval '10 minutes' WHERE conversation_id = $1`, old)
	require.NoError(t, err)
	_, err = n.Edit("alice", edited, 2, "the other text")
	require.NoError(t, err)
	// An attempt that was decided before may still be under way.
	eventually.True(t, "the others are not owed any more", func() bool { return rows(t, n, "true") == 1 })
	open.Store(true)
	settled(t, n)
	list := server.got()
	require.Equal(t, edited.String(), list[len(list)-1].payload.ConversationID)
	require.Equal(t, "alice: the other text", list[len(list)-1].payload.Body)
	require.NoError(t, testutil.GatherAndCompare(metrics, strings.NewReader(`
# HELP im_push_dropped_total Push notifications that were dropped because the message was too old.
# TYPE im_push_dropped_total counter
im_push_dropped_total{provider="fcm"} 1
`), "im_push_dropped_total"))
}

// A message that was old before anything was looked at is not sent.
func TestOldIsNotPushed(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	server := newFCM(t)
	p, stop := run(t, n, only(domain.PushFCM, server))
	stop()
	fcm(t, p, "bob", "phone")
	id := n.Group(t, "alice", "bob")
	send(t, n, id, "old")
	_, err := storetest.Connect(t, n.URL).Exec(t.Context(), `UPDATE events SET at = at - interval '10 minutes'`)
	require.NoError(t, err)
	fence := n.Group(t, "alice", "bob")
	send(t, n, fence, "fence")
	_, _ = run(t, n, only(domain.PushFCM, server))
	settled(t, n)
	list := server.await(t, 1)
	require.Len(t, list, 1)
	require.Equal(t, fence.String(), list[0].payload.ConversationID)
}

// When the user reads on another device, a silent notification takes the shown one away.
// Browsers permit none.
func TestReadElsewhere(t *testing.T) {
	t.Parallel()
	for name, look := range map[string]time.Duration{"noticed by a node": time.Hour, "found at a look": 50 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := storetest.Start(t, pgtest.New(t))
			f, a, w := newFCM(t), newAPNS(t), newWebPush(t, "browser")
			p, _ := run(t, n, map[domain.PushProvider]push.Sender{domain.PushFCM: f, domain.PushAPNS: a, domain.PushWeb: w},
				func(o *push.Options) { o.Look = look })
			fcm(t, p, "bob", "android")
			token := strings.Repeat("0f", 32)
			require.NoError(t, p.PutPush(t.Context(), domain.PushRegistration{
				User: "bob", Device: "iphone", Address: domain.PushAddress{Provider: domain.PushAPNS, Token: token},
			}))
			require.NoError(t, p.PutPush(t.Context(), domain.PushRegistration{User: "bob", Device: "browser", Address: w.address("browser")}))
			id, other := n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob")
			send(t, n, id, "m")
			send(t, n, other, "m")
			eventually.True(t, "all are shown", func() bool { return rows(t, n, "seq = sent_seq") == 6 })
			state, err := n.MarkRead(t.Context(), storetest.User("bob"), id, 2)
			require.NoError(t, err)
			if look == time.Hour {
				p.Read("bob", id, state.ReadSeq)
			}
			eventually.True(t, "only the other one is shown", func() bool { return rows(t, n, "true") == 3 })
			taken := f.await(t, 3)[2]
			require.Equal(t, payload{Type: "clear", ConversationID: id.String(), Seq: 2, UnreadTotal: 1}, taken.payload)
			require.NotContains(t, taken.raw["message"], "notification")
			taken = a.await(t, 3)[2]
			require.Equal(t, payload{Type: "clear", ConversationID: id.String(), Seq: 2, UnreadTotal: 1}, taken.payload)
			require.Equal(t, map[string]any{"badge": 1.0, "content-available": 1.0}, taken.raw["aps"])
			require.Equal(t, "5", taken.header.Get("apns-priority"))
			require.Len(t, w.got(), 2)
		})
	}
}

// An address that the provider does not know any more is removed; one that has changed in
// between is not. Other refusals remove nothing.
func TestRefusedAddresses(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	f, a, w := newFCM(t), newAPNS(t), newWebPush(t, "b404", "b410", "b403", "ok")
	apns := map[string]string{strings.Repeat("01", 32): "Unregistered", strings.Repeat("02", 32): "BadDeviceToken", strings.Repeat("03", 32): "TopicDisallowed"}
	f.answers(func(g got) (int, string) {
		switch g.token {
		case "bob-unregistered":
			return 404, `{"error":{"code":404,"status":"NOT_FOUND","details":[{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"UNREGISTERED"}]}}`
		case "bob-invalid":
			return 400, `{"error":{"code":400,"message":"The registration token is not a valid FCM registration token","status":"INVALID_ARGUMENT","details":[{"errorCode":"INVALID_ARGUMENT"}]}}`
		case "bob-violation":
			return 400, `{"error":{"status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"message.token","description":"Invalid registration token"}]}]}}`
		case "bob-payload":
			return 400, `{"error":{"message":"Invalid value at 'message.data'","status":"INVALID_ARGUMENT","details":[{"fieldViolations":[{"field":"message.data"}]}]}}`
		case "bob-project":
			return 404, `{"error":{"message":"Requested entity was not found.","status":"NOT_FOUND"}}`
		}
		return 200, `{}`
	})
	a.answers(func(g got) (int, string) {
		status := 400
		if apns[g.token] == "Unregistered" {
			status = 410
		}
		return status, `{"reason":"` + apns[g.token] + `"}`
	})
	w.answers(func(g got) (int, string) {
		return map[string]int{"b404": 404, "b410": 410, "b403": 403, "ok": 201}[g.token], "the words of the service"
	})
	p, _ := run(t, n, map[domain.PushProvider]push.Sender{domain.PushFCM: f, domain.PushAPNS: a, domain.PushWeb: w})
	for _, device := range []domain.DeviceID{"unregistered", "invalid", "violation", "payload", "project", "fine"} {
		fcm(t, p, "bob", device)
	}
	for token, reason := range apns {
		require.NoError(t, p.PutPush(t.Context(), domain.PushRegistration{
			User: "bob", Device: domain.DeviceID(reason), Address: domain.PushAddress{Provider: domain.PushAPNS, Token: token},
		}))
	}
	for path := range w.browsers {
		name := strings.TrimPrefix(path, "/push/")
		require.NoError(t, p.PutPush(t.Context(), domain.PushRegistration{User: "bob", Device: domain.DeviceID(name), Address: w.address(name)}))
	}
	id := n.Group(t, "alice", "bob")
	send(t, n, id, "m")
	left := []domain.DeviceID{"TopicDisallowed", "b403", "fine", "ok", "payload", "project"}
	eventually.True(t, "six registrations are left", func() bool {
		return slices.Equal(left, ask[[]domain.DeviceID](t, n, `SELECT array_agg(device_id ORDER BY device_id) FROM push_registrations`))
	})
	settled(t, n)
	test, err := p.TestPush(t.Context(), "bob", "b403")
	require.NoError(t, err)
	require.Equal(t, []any{false, 403, "", "the answer was 403", false}, []any{test.Taken, test.Status, test.Answer, test.Error, test.Removed})
	require.NoError(t, p.PutPush(t.Context(), domain.PushRegistration{User: "bob", Device: "b410", Address: w.address("b410")}))
	test, err = p.TestPush(t.Context(), "bob", "b410")
	require.NoError(t, err)
	require.True(t, test.Removed)
	_, err = p.TestPush(t.Context(), "bob", "b410")
	require.ErrorIs(t, err, domain.ErrNotFound)

	r := domain.PushRegistration{User: "carol", Device: "phone", Address: domain.PushAddress{Provider: domain.PushFCM, Token: "t1"}}
	require.NoError(t, p.PutPush(t.Context(), r))
	_, old, err := n.PushRegistration(t.Context(), "carol", "phone")
	require.NoError(t, err)
	r.Address.Token = "t2"
	require.NoError(t, p.PutPush(t.Context(), r))
	require.NoError(t, n.RemoveRefusedPush(t.Context(), "carol", "phone", old))
	now, _, err := n.PushRegistration(t.Context(), "carol", "phone")
	require.NoError(t, err)
	require.Equal(t, "t2", now.Address.Token)
}

// A provider that asks for patience gets it, and a slow one delays no other.
func TestSlowProviderHarmsOnlyItself(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	f, slow, w := newFCM(t), newAPNS(t), newWebPush(t, "browser")
	release := make(chan struct{})
	defer sync.OnceFunc(func() { close(release) })()
	slow.answers(func(got) (int, string) { <-release; return 200, "{}" })
	var asked atomic.Int64
	w.header.Set("Retry-After", "2")
	w.answers(func(got) (int, string) {
		if asked.Add(1) == 1 {
			return http.StatusTooManyRequests, "slower"
		}
		return http.StatusCreated, ""
	})
	p, _ := run(t, n, map[domain.PushProvider]push.Sender{domain.PushFCM: f, domain.PushAPNS: slow, domain.PushWeb: w})
	id := n.Group(t, "alice", "bob")
	for i := range 30 {
		require.NoError(t, p.PutPush(t.Context(), domain.PushRegistration{User: "bob", Device: domain.DeviceID(fmt.Sprint("iphone-", i)), Address: domain.PushAddress{
			Provider: domain.PushAPNS, Token: hex.EncodeToString([]byte(fmt.Sprintf("%032d", i))),
		}}))
	}
	require.NoError(t, p.PutPush(t.Context(), domain.PushRegistration{User: "bob", Device: "browser", Address: w.address("browser")}))
	fcm(t, p, "bob", "phone")
	began := time.Now()
	send(t, n, id, "m")
	f.await(t, 1)
	require.Empty(t, slow.got(), "none has an answer yet")
	w.await(t, 2)
	require.GreaterOrEqual(t, time.Since(began), 2*time.Second)
}

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

func (s *dying) ClaimPushFeed(ctx context.Context, holder string, lease time.Duration) (*domain.HeldPush, error) {
	if s.dead.Load() {
		return nil, domain.ErrUnavailable
	}
	return s.Store.ClaimPushFeed(ctx, holder, lease)
}

func (s *dying) ReleasePushFeed(ctx context.Context, holder string) error {
	if s.dead.Load() {
		return domain.ErrUnavailable
	}
	return s.Store.ReleasePushFeed(ctx, holder)
}

func (s *dying) FeedPush(ctx context.Context, h *domain.HeldPush, delay, within time.Duration) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	return s.Store.FeedPush(ctx, h, delay, within)
}

func (s *dying) PlanPushes(ctx context.Context, rules domain.PushRules) (bool, error) {
	if err := s.check(ctx); err != nil {
		return false, err
	}
	return s.Store.PlanPushes(ctx, rules)
}

func (s *dying) ClaimPushes(ctx context.Context, p domain.PushProvider, without []string, limit int, lease time.Duration) ([]domain.PushClaim, error) {
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	return s.Store.ClaimPushes(ctx, p, without, limit, lease)
}

func (s *dying) PushSent(ctx context.Context, c domain.PushClaim, seq int64, rules domain.PushRules, look time.Duration) error {
	if err := s.check(ctx); err != nil {
		return err
	}
	return s.Store.PushSent(ctx, c, seq, rules, look)
}

// The node dies between the answer of the provider and its note of it. Another one follows
// the feed, sends what was committed since, and repeats what is not noted.
func TestNodeKilled(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	other := storetest.Start(t, n.URL)
	server := newFCM(t)
	first := &dying{Store: n.Store}
	noted, unnoted := n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob")
	server.answers(func(g got) (int, string) {
		if g.payload.ConversationID == unnoted.String() {
			first.dead.Store(true)
		}
		return 200, "{}"
	})
	p, stop := run(t, n, only(domain.PushFCM, server), func(o *push.Options) { o.Store = first })
	fcm(t, p, "bob", "phone")
	send(t, n, noted, "m")
	server.await(t, 1)
	eventually.True(t, "it is noted", func() bool { return rows(t, n, "seq = sent_seq") == 1 })
	send(t, n, unnoted, "m")
	server.await(t, 2)
	_, _ = run(t, other, only(domain.PushFCM, server))
	later := n.Group(t, "alice", "bob")
	send(t, n, later, "m")
	count := func(id domain.ConversationID) (times int) {
		for _, g := range server.got() {
			if g.payload.ConversationID == id.String() {
				times++
			}
		}
		return times
	}
	eventually.True(t, "the other node sends what comes", func() bool { return count(later) == 1 })
	eventually.True(t, "the claim has ended, and it is sent again", func() bool { return count(unnoted) == 2 })
	settled(t, n)
	require.Equal(t, []int{1, 2, 1}, []int{count(noted), count(unnoted), count(later)})
	stop()
}

// If the feed does not reach back to the position, the last minutes are looked for in the
// log.
func TestAllNodesWereAway(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	server := newFCM(t)
	p, stop := run(t, n, only(domain.PushFCM, server))
	stop()
	fcm(t, p, "bob", "phone")
	id := n.Group(t, "alice", "bob")
	send(t, n, id, "m")
	_, err := storetest.Connect(t, n.URL).Exec(t.Context(), `WITH gone AS (DELETE FROM commits RETURNING tx)
		UPDATE epoch SET feed_gone = (SELECT max(tx::text::bigint)::text::xid8 FROM gone)`)
	require.NoError(t, err)
	_, _ = run(t, n, only(domain.PushFCM, server))
	require.Equal(t, id.String(), server.await(t, 1)[0].payload.ConversationID)
	settled(t, n)
}

// From a position that is too old, nothing is read of the feed: the last minutes are looked
// for in the log.
func TestOldPosition(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	h, err := n.ClaimPushFeed(t.Context(), "me", time.Hour)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), h.Now, time.Minute)
	const within = 11 * time.Minute
	require.NoError(t, n.FeedPush(t.Context(), h, time.Second, within))
	send(t, n, n.Group(t, "alice", "bob"), "m")
	begin := *h
	begin.Now = h.Now.Add(within - time.Minute)
	require.NoError(t, n.FeedPush(t.Context(), &begin, time.Second, within))
	require.False(t, begin.Walking)
	require.Equal(t, 1, ask[int](t, n, `SELECT count(*) FROM push_lanes`))
	_, err = storetest.Connect(t, n.URL).Exec(t.Context(), `DELETE FROM push_lanes`)
	require.NoError(t, err)
	h.Now = h.Now.Add(within + time.Minute)
	require.NoError(t, n.FeedPush(t.Context(), h, time.Second, within))
	require.True(t, h.Walking)
	require.Zero(t, ask[int](t, n, `SELECT count(*) FROM push_lanes`))
	more, err := n.WalkPush(t.Context(), h, within)
	require.NoError(t, err)
	require.False(t, more)
	require.Equal(t, 1, ask[int](t, n, `SELECT count(*) FROM push_lanes`))
}

// walked notes the reads of the feed and the steps of walks.
type walked struct {
	*postgres.Store

	mu    sync.Mutex
	steps string
}

func (s *walked) note(step string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps += step
}

func (s *walked) FeedPush(ctx context.Context, h *domain.HeldPush, delay, within time.Duration) error {
	s.note("f")
	return s.Store.FeedPush(ctx, h, delay, within)
}

func (s *walked) WalkPush(ctx context.Context, h *domain.HeldPush, within time.Duration) (bool, error) {
	s.note("w")
	return s.Store.WalkPush(ctx, h, within)
}

// A walk through all conversations makes several steps for each read of the feed. What comes
// at its end is not too old by then.
func TestWalkIsQuick(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	send(t, n, id, "m")
	db := storetest.Connect(t, n.URL)
	_, err := db.Exec(t.Context(), `
INSERT INTO conversations SELECT (jsonb_populate_record(c, jsonb_build_object('id', gen_random_uuid(), 'last_at', now() - interval '1 day'))).*
FROM conversations c, generate_series(1, 10100)`)
	require.NoError(t, err)
	_, err = db.Exec(t.Context(), `UPDATE push_feed SET walked_id = '00000000-0000-0000-0000-000000000000'`)
	require.NoError(t, err)
	server, store := newFCM(t), &walked{Store: n.Store}
	p := push.New(push.Options{Store: n.Store, Senders: only(domain.PushFCM, server)})
	fcm(t, p, "bob", "phone")
	_, _ = run(t, n, only(domain.PushFCM, server), func(o *push.Options) { o.Store, o.Lease = store, 5*time.Second })
	require.Equal(t, id.String(), server.await(t, 1)[0].payload.ConversationID)
	eventually.True(t, "the walk is over", func() bool { return ask[bool](t, n, `SELECT walked_id IS NULL FROM push_feed`) })
	store.mu.Lock()
	defer store.mu.Unlock()
	require.Equal(t, 3, strings.Count(store.steps, "w"), "10,101 conversations")
	require.Contains(t, store.steps, "ww")
}

// A limit of one device delays what is for that device, and nothing else.
func TestLimitOfOneDevice(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	server := newFCM(t)
	server.header.Set("Retry-After", "60")
	server.answers(func(g got) (int, string) {
		if g.token == "bob-phone" {
			return http.StatusTooManyRequests, `{"error":{"details":[{"errorCode":"QUOTA_EXCEEDED"}]}}`
		}
		return http.StatusOK, "{}"
	})
	p, _ := run(t, n, only(domain.PushFCM, server))
	fcm(t, p, "bob", "phone")
	fcm(t, p, "carol", "phone")
	send(t, n, n.Group(t, "alice", "bob"), "m")
	eventually.True(t, "bob's was refused, and waits", func() bool { return rows(t, n, "attempts = 1 AND due_at > now() + interval '50 s'") == 1 })
	began := time.Now()
	send(t, n, n.Group(t, "alice", "carol"), "m")
	require.Equal(t, "carol-phone", server.await(t, 2)[1].token)
	require.Less(t, time.Since(began), 15*time.Second)
}

// One user's browsers cannot occupy all slots, whatever servers they name.
func TestUserHasAShareOfTheSlots(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	names := []string{"carol"}
	for i := range 30 {
		names = append(names, fmt.Sprint("bob-", i))
	}
	w := newWebPush(t, names...)
	release := make(chan struct{})
	unblock := sync.OnceFunc(func() { close(release) })
	defer unblock()
	var blocked atomic.Int64
	w.answers(func(g got) (int, string) {
		if g.token != "carol" {
			blocked.Add(1)
			<-release
		}
		return http.StatusCreated, ""
	})
	p, _ := run(t, n, only(domain.PushWeb, w))
	for _, name := range names {
		user, _, _ := strings.Cut(name, "-")
		require.NoError(t, p.PutPush(t.Context(), domain.PushRegistration{User: domain.UserID(user), Device: domain.DeviceID(name), Address: w.address(name)}))
	}
	send(t, n, n.Group(t, "alice", "bob"), "m")
	eventually.True(t, "bob has his share", func() bool { return blocked.Load() >= 8 })
	began := time.Now()
	send(t, n, n.Group(t, "alice", "carol"), "m")
	require.Equal(t, "carol", w.await(t, 1)[0].token)
	require.Less(t, time.Since(began), 7*time.Second, "the calls for bob have not failed yet")
	require.EqualValues(t, 8, blocked.Load())
	unblock()
	eventually.True(t, "all of bob's are sent", func() bool { return rows(t, n, "user_id = 'bob' AND sent_seq = seq") == 30 })
}

// A registration is of one user and device. It ends with a revocation and with a ban.
func TestRegistrations(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	w := newWebPush(t, "browser")
	p := push.New(push.Options{Store: n.Store, Senders: map[domain.PushProvider]push.Sender{domain.PushFCM: newFCM(t), domain.PushWeb: w}})
	registered := func(user domain.UserID, device domain.DeviceID) bool {
		_, _, err := n.PushRegistration(t.Context(), user, device)
		if err != nil {
			require.ErrorIs(t, err, domain.ErrNotFound)
		}
		return err == nil
	}
	token := fcm(t, p, "alice", "phone")
	taken := func(r *domain.PushRegistration) { r.Address.Token = token }
	fcm(t, p, "bob", "phone", taken)
	require.False(t, registered("alice", "phone"), "the phone is bob's now")
	require.True(t, registered("bob", "phone"))
	fcm(t, p, "bob", "tablet", taken)
	require.False(t, registered("bob", "phone"))

	_, id, err := n.PushRegistration(t.Context(), "bob", "tablet")
	require.NoError(t, err)
	fcm(t, p, "bob", "tablet", taken, func(r *domain.PushRegistration) { r.Preview, r.Locale = domain.PreviewNone, "de" })
	r, same, err := n.PushRegistration(t.Context(), "bob", "tablet")
	require.NoError(t, err)
	require.Equal(t, id, same)
	require.Equal(t, domain.PushRegistration{User: "bob", Device: "tablet", Preview: "none", Locale: "de", Address: domain.PushAddress{Provider: domain.PushFCM, Token: token}}, r)

	require.NoError(t, p.RemovePush(t.Context(), "bob", "tablet"))
	require.False(t, registered("bob", "tablet"))
	fcm(t, p, "bob", "phone")
	fcm(t, p, "carol", "phone")
	fcm(t, p, "dave", "phone")
	_, err = n.Revoke(t.Context(), "bob")
	require.NoError(t, err)
	require.NoError(t, n.BanUser(t.Context(), "carol", nil, ""))
	require.Equal(t, []bool{false, false, true}, []bool{registered("bob", "phone"), registered("carol", "phone"), registered("dave", "phone")})

	// Several devices take one token at the same time: one of them has it.
	var racing sync.WaitGroup
	for i := range 8 {
		racing.Go(func() {
			err := p.PutPush(t.Context(), domain.PushRegistration{User: domain.UserID(fmt.Sprint("racer-", i)), Device: "phone", Address: domain.PushAddress{Provider: domain.PushFCM, Token: "raced"}})
			if err != nil {
				t.Error(err)
			}
		})
	}
	racing.Wait()
	require.Equal(t, 1, ask[int](t, n, `SELECT count(*) FROM push_registrations WHERE token = 'raced'`))

	for i := range domain.MaxPushDevices {
		fcm(t, p, "many", domain.DeviceID(fmt.Sprint(i)))
	}
	full := domain.PushRegistration{User: "many", Device: "more", Address: domain.PushAddress{Provider: domain.PushFCM, Token: "more"}}
	require.ErrorIs(t, p.PutPush(t.Context(), full), domain.ErrLimitExceeded)
	fcm(t, p, "many", "0", func(r *domain.PushRegistration) { r.Address.Token = "another" })

	off := domain.PushRegistration{User: "bob", Device: "x", Address: domain.PushAddress{Provider: domain.PushAPNS, Token: strings.Repeat("00", 32)}}
	err = p.PutPush(t.Context(), off)
	require.ErrorIs(t, err, domain.ErrUnavailable)
	known := &domain.Error{}
	require.ErrorAs(t, err, &known)
	require.Equal(t, domain.RetryNever, known.Retry())
	web := domain.PushRegistration{User: "bob", Device: "x", Address: w.address("browser")}
	require.ErrorIs(t, p.PutPush(t.Context(), web), domain.ErrInvalid, "without TLS, and not public")
	web.Address.Token = "https://127.0.0.1/push"
	err = p.PutPush(t.Context(), web)
	require.ErrorIs(t, err, domain.ErrInvalid, "not public")
	web.Address.Token = "https://unknown..example/push"
	unknown := p.PutPush(t.Context(), web)
	require.ErrorIs(t, unknown, domain.ErrInvalid)
	require.Equal(t, err, unknown, "users do not learn which names the operator's networks have")
	require.False(t, registered("bob", "x"))
}

// The address is checked when it is dialled: by then, a name may lead somewhere else. No
// address is in a log or in an answer.
func TestAddressesStayPrivate(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	w := newWebPush(t, "secret-path")
	guarded, err := push.NewWebPush(push.VAPID{Key: "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Subject: "mailto:x@example.com"}, publicaddr.Guard{})
	require.NoError(t, err)
	log := &strings.Builder{}
	var mu sync.Mutex
	logger := slog.New(slog.NewTextHandler(writer(func(b []byte) { mu.Lock(); log.Write(b); mu.Unlock() }), nil))
	p, stop := run(t, n, only(domain.PushWeb, guarded), func(o *push.Options) { o.Logger = logger })
	require.NoError(t, p.PutPush(t.Context(), domain.PushRegistration{User: "bob", Device: "browser", Address: w.address("secret-path")}))
	test, err := p.TestPush(t.Context(), "bob", "browser")
	require.NoError(t, err)
	require.Equal(t, "the host is not known, or its address is neither public nor in IM_PUSH_ALLOW", test.Error)
	unknown := domain.PushRegistration{User: "carol", Device: "browser", Address: w.address("secret-path")}
	unknown.Address.Token = "https://unknown..example/push"
	require.NoError(t, n.PutPush(t.Context(), unknown))
	same, err := p.TestPush(t.Context(), "carol", "browser")
	require.NoError(t, err)
	require.Equal(t, test.Error, same.Error)
	send(t, n, n.Group(t, "alice", "bob"), "m")
	eventually.True(t, "it was tried", func() bool { return rows(t, n, "attempts > 0") == 1 })
	stop()
	require.Empty(t, w.got())
	mu.Lock()
	defer mu.Unlock()
	require.Contains(t, log.String(), "not taken")
	require.NotContains(t, log.String(), "secret-path")
	require.NotContains(t, log.String(), w.URL)
	address := w.address("secret-path")
	w.Server.Close()
	r := w.Send(t.Context(), address, push.Notification{Kind: push.KindTest})
	require.Equal(t, push.Again, r.Outcome)
	require.NotEmpty(t, r.Reason)
	require.NotContains(t, r.Reason, "secret-path")
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) { w(b); return len(b), nil }

// A message is not pushed before the delay, though a former one of the conversation is due.
func TestEachMessageWaits(t *testing.T) {
	t.Parallel()
	const delay = time.Second
	n := storetest.Start(t, pgtest.New(t))
	server := newFCM(t)
	type arrival struct {
		seq int64
		at  time.Time
	}
	came := make(chan arrival, 10)
	server.answers(func(g got) (int, string) { came <- arrival{g.payload.Seq, time.Now()}; return http.StatusOK, "{}" })
	p, _ := run(t, n, only(domain.PushFCM, server), func(o *push.Options) { o.Delay = delay })
	id := n.Group(t, "alice", "bob")
	fcm(t, p, "bob", "phone")
	sent := map[int64]time.Time{}
	first := send(t, n, id, "first")
	sent[first.Seq] = first.At.Time
	eventually.True(t, "half of the delay is over", func() bool { return time.Since(first.At.Time) > delay/2 })
	second := send(t, n, id, "second")
	sent[second.Seq] = second.At.Time
	for seq := int64(0); seq != second.Seq; {
		a := storetest.Wait(t, came)
		seq = a.seq
		require.GreaterOrEqual(t, a.at.Sub(sent[seq]), delay, "message %d", seq)
	}
}
