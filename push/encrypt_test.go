package push

import (
	"context"
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"im/domain"
)

// The example of RFC 8291.
func TestEncryptByTheRFC(t *testing.T) {
	t.Parallel()
	decode := func(text string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(text)
		require.NoError(t, err)
		return b
	}
	local, err := ecdh.P256().NewPrivateKey(decode("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
	require.NoError(t, err)
	body, err := encryptWith([]byte("When I grow up, I want to be a watermelon"),
		decode("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"), decode("BTBZMqHH6r4Tts7J_aSIgg"),
		local, decode("DGv6ra1nlYgDCS1FRnbzlw"))
	require.NoError(t, err)
	require.Equal(t, "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"+
		"yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN", base64.RawURLEncoding.EncodeToString(body))
}

func TestPreviews(t *testing.T) {
	t.Parallel()
	content := func(text string) []byte { return []byte(text) }
	group := domain.PushMessage{Sender: "alice", SenderName: "Alice\nB", Group: true, Title: "Team", Content: content(`{"type":"text","text":" hello\u0007 "}`)}
	direct := domain.PushMessage{Sender: "alice", Content: content(`{"type":"image","url":"https://x"}`)}
	for name, c := range map[string]struct {
		job   domain.PushJob
		title string
		body  string
		from  domain.UserID
	}{
		"full, of a group":      {domain.PushJob{Message: &group, Preview: domain.PreviewFull}, "Team", "Alice B: hello", "alice"},
		"sender, of a group":    {domain.PushJob{Message: &group, Preview: domain.PreviewSender, Locale: "de-AT"}, "Team", "Neue Nachricht", "alice"},
		"none":                  {domain.PushJob{Message: &group, Preview: domain.PreviewNone, Locale: "fr"}, "", "Nouveau message", ""},
		"a photo":               {domain.PushJob{Message: &direct, Preview: domain.PreviewFull, Locale: "de_DE"}, "alice", "Foto", "alice"},
		"a photo, unknown word": {domain.PushJob{Message: &direct, Preview: domain.PreviewFull, Locale: "xx"}, "alice", "Photo", "alice"},
		"a caption": {domain.PushJob{Preview: domain.PreviewFull, Message: &domain.PushMessage{
			Sender: "a", Content: content(`{"type":"video","url":"https://x","text":"look"}`),
		}}, "a", "look", "a"},
		"a file": {domain.PushJob{Preview: domain.PreviewFull, Message: &domain.PushMessage{
			Sender: "a", Content: content(`{"type":"file","url":"https://x","name":"plan.pdf"}`),
		}}, "a", "File: plan.pdf", "a"},
		"of the app": {domain.PushJob{Preview: domain.PreviewFull, Message: &domain.PushMessage{
			Sender: "a", Content: content(`{"type":"custom","biz_type":"x","data":{},"text":"y"}`),
		}}, "a", "New message", "a"},
	} {
		n := notificationOf(&c.job)
		require.Equal(t, []any{c.title, c.body, c.from}, []any{n.Title, n.Body, n.Sender}, name)
	}
}

// A payload has at most the bytes that the provider takes, and its text ends between two
// characters as people see them.
func TestPayloadsFit(t *testing.T) {
	t.Parallel()
	const family = "👨‍👩‍👧‍👦" // one character of 25 bytes
	encoders := map[string]struct {
		limit  int
		encode func(*Notification) ([]byte, error)
	}{"fcm": {fcmBytes, fcmMessage}, "apns": {apnsBytes, apnsPayload}, "webpush": {recordBytes - recordOverhead, webPushPayload}}
	for provider, e := range encoders {
		for _, text := range []string{family, "é", `"\`, "<&>", "a"} {
			n := Notification{Kind: KindMessage, Title: "T", Body: strings.Repeat(text, 3000)}
			payload, err := fit(n, e.limit, e.encode)
			require.NoError(t, err)
			require.LessOrEqual(t, len(payload), e.limit, provider)
			require.Greater(t, len(payload), e.limit*3/5, "%s: not much more is cut than is too much", provider)
			require.True(t, json.Valid(payload) && utf8.Valid(payload), provider)
		}
		payload, err := fit(Notification{Kind: KindMessage, Title: strings.Repeat(family, 3000), Body: "x"}, e.limit, e.encode)
		require.NoError(t, err)
		require.LessOrEqual(t, len(payload), e.limit)
		_, err = fit(Notification{Sender: domain.UserID(strings.Repeat("x", 5000))}, e.limit, e.encode)
		require.ErrorIs(t, err, errTooLarge)
	}
	require.Equal(t, family+family+ellipsis, cut(strings.Repeat(family, 9), 2*len(family)+len(ellipsis)+24))
	require.Equal(t, "abc", cut("abc", 3))
	require.Empty(t, cut("abcd", 3))
	job := domain.PushJob{Preview: domain.PreviewFull, Message: &domain.PushMessage{Sender: "a", Content: []byte(`{"type":"text","text":"` + strings.Repeat(family, 1000) + `"}`)}}
	n := notificationOf(&job)
	require.LessOrEqual(t, len(n.Body), textBytes)
	require.Equal(t, strings.Repeat(family, len(n.Body)/len(family))+ellipsis, n.Body)
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "x": 0, "-5": 0, "7": 7 * time.Second, "99999999": longestAfter, now.Add(time.Minute).Format(http.TimeFormat): time.Minute,
	} {
		require.Equal(t, want, retryAfter(header, now), header)
	}
}

// A notification waits for as long as the provider asks for; the service is paused for a
// part of that, and after several failures in a row.
func TestPatience(t *testing.T) {
	t.Parallel()
	l := newLane(New(Options{}), domain.PushWeb, nil)
	require.GreaterOrEqual(t, l.after(0, Result{After: 5 * time.Minute}), 5*time.Minute)
	require.InDelta(t, defaultRetry, l.after(0, Result{}), float64(defaultRetry/10+1))
	require.InDelta(t, maxRetry, l.after(60, Result{}), float64(maxRetry/10+1))
	paused := func(name string) bool {
		_, without := l.room()
		return len(without) == 1 && without[0] == name
	}
	l.enter("a", "u")
	l.answered("a", "r", Result{Outcome: Again, Status: 503, After: time.Hour})
	require.True(t, paused("a"))
	require.LessOrEqual(t, time.Until(l.services["a"].until), longestTrip)
	l.services["a"].until = time.Time{}
	for range tripInARow - 2 {
		l.answered("a", "r", Result{Outcome: Again})
		require.False(t, paused("a"))
	}
	l.answered("a", "r", Result{Outcome: Again})
	require.True(t, paused("a"))
	l.services["a"].until = time.Time{}
	l.answered("a", "r", Result{Outcome: Refused})
	require.Zero(t, l.services["a"].failures)
	l.leave("a", "u")
	require.Empty(t, l.services)
	require.Empty(t, l.users)
	for range serviceSlots {
		l.enter("b", "u")
	}
	require.True(t, paused("b"))
}

// Answers 429 about one device pause nothing; those about several devices in a row do.
func TestLimitsOfDevices(t *testing.T) {
	t.Parallel()
	l := newLane(New(Options{}), domain.PushFCM, nil)
	limited := Result{Outcome: Again, Status: http.StatusTooManyRequests, After: 3 * time.Second}
	room := func() int {
		limit, without := l.room()
		require.Empty(t, without, "FCM has no other service, so nothing is claimed")
		return limit
	}
	l.enter("fcm", "u")
	for range 2 * tripInARow {
		l.answered("fcm", "r", limited)
		require.Equal(t, slots-1, room())
	}
	for i := range tripInARow - 1 {
		require.Equal(t, slots-1, room())
		l.answered("fcm", string(rune('a'+i)), limited)
	}
	require.Zero(t, room(), "paused")
	require.InDelta(t, 3, time.Until(l.services["fcm"].until).Seconds(), 1)
}

// Services that have failed are forgotten when nothing was sent to them for a while: users
// name as many as they like.
func TestServicesAreForgotten(t *testing.T) {
	t.Parallel()
	l := newLane(New(Options{}), domain.PushWeb, nil)
	fail := func(name string) *service {
		l.enter(name, "u")
		l.answered(name, "r", Result{Outcome: Again})
		l.leave(name, "u")
		return l.services[name]
	}
	recent, paused, old, busy := fail("recent"), fail("paused"), fail("old"), fail("busy")
	long := time.Now().Add(-2 * forgetAfter)
	paused.last, paused.until, old.last, busy.last = long, time.Now().Add(-forgetAfter/2), long, long
	l.enter("busy", "u")
	l.room()
	require.Equal(t, map[string]*service{"recent": recent, "paused": paused, "busy": busy}, l.services)
}

// steps notes what a lane asks of its store.
type steps struct {
	Store
	claim, done, retried int
	takes                time.Duration // to claim
}

func (s *steps) ClaimPushes(context.Context, domain.PushProvider, []string, int, time.Duration) ([]domain.PushClaim, error) {
	s.claim++
	time.Sleep(s.takes)
	return make([]domain.PushClaim, 1), nil
}

func (s *steps) PushJobs(context.Context, []domain.PushClaim, domain.PushRules) ([]domain.PushJob, error) {
	return []domain.PushJob{{Message: &domain.PushMessage{Seq: 1}}}, nil
}

func (s *steps) PushDone(context.Context, domain.PushClaim) error { s.done++; return nil }

func (s *steps) PushRetried(context.Context, domain.PushClaim, time.Duration) error {
	s.retried++
	return nil
}

// refusing takes nothing.
type refusing struct{ calls int }

func (r *refusing) Send(context.Context, domain.PushAddress, Notification) Result {
	r.calls++
	return Result{Outcome: Again, Status: 403}
}
func (r *refusing) Silent() bool { return true }
func (r *refusing) Close()       {}

// What the provider does not want to take away stays shown in the end.
func TestClearingEnds(t *testing.T) {
	t.Parallel()
	s, sender := &steps{}, &refusing{}
	l := newLane(New(Options{Store: s}), domain.PushFCM, sender)
	job := domain.PushJob{Address: domain.PushAddress{Provider: domain.PushFCM}, Cleared: true}
	job.SentSeq, job.User = 1, "u"
	l.enter("fcm", "u")
	defer l.leave("fcm", "u")
	for job.Attempts = range clearAttempts {
		require.NoError(t, l.handle(t.Context(), &job, time.Now().Add(time.Hour)))
	}
	require.Equal(t, []int{clearAttempts, 0}, []int{s.retried, s.done})
	job.Attempts = clearAttempts
	require.NoError(t, l.handle(t.Context(), &job, time.Now().Add(time.Hour)))
	require.Equal(t, []int{clearAttempts, 1}, []int{s.retried, s.done})
}

// The claim began before its answer came: a call after its end might be another node's.
func TestClaimCountsFromItsBeginning(t *testing.T) {
	t.Parallel()
	s, sender := &steps{takes: 200 * time.Millisecond}, &refusing{}
	l := newLane(New(Options{Store: s, Claim: callTimeout + 100*time.Millisecond}), domain.PushFCM, sender)
	_, err := l.begin(t.Context(), t.Context())
	require.NoError(t, err)
	l.sending.Wait()
	require.Equal(t, []int{1, 0}, []int{s.claim, sender.calls})
}

func TestIsPublic(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"8.8.8.8:443": true, "[2606:4700::1]:443": true, "10.1.2.3:443": false, "127.0.0.1:80": false, "[::ffff:10.0.0.1]:443": false,
	} {
		require.Equal(t, want, isPublic(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address))), address)
	}
}
