package verify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hookTest gives calls to a receiver.
type hookTest struct {
	*receiver
	t   *testing.T
	log *history
	at  time.Time
}

func newHookTest(t *testing.T) *hookTest {
	r := &runner{o: &Options{}, tally: new(tally)}
	return &hookTest{
		receiver: &receiver{r: r, key: []byte("key"), lanes: map[string]*lane{}, losses: stream64(1, 1, 1)},
		t:        t, log: &history{id: "c"}, at: time.Now().UTC().Truncate(time.Microsecond),
	}
}

// event adds an event to the log, and returns its text.
func (h *hookTest) event(seq int64, kind, body string) string {
	e := &event{ConversationID: "c", Seq: seq, Type: kind, Sender: "u", At: h.at, Body: []byte(body)}
	if seq > h.log.head() {
		h.log.add(e)
	}
	return fmt.Sprintf(`{"type":%q,"timestamp":%q,"data":{"conversation_id":"c","seq":%d,"type":%q,"sender":"u","at":%q,"body":%s}}`,
		kind, h.at.Format(time.RFC3339Nano), seq, kind, h.at.Format(time.RFC3339Nano), body)
}

// call makes a call with a good signature, which change may spoil.
func (h *hookTest) call(seq int64, text string, change ...func(*http.Request)) {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text))
	id, at := "c:"+strconv.FormatInt(seq, 10), strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, h.key)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, at, text)
	r.Header.Set("webhook-id", id)
	r.Header.Set("webhook-timestamp", at)
	r.Header.Set("webhook-signature", "v1,AAAA v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	for _, c := range change {
		c(r)
	}
	h.ServeHTTP(httptest.NewRecorder(), r)
}

// breaches returns the texts of the breaches after the check of the log.
func (h *hookTest) breaches() string {
	h.check(h.log, 1)
	h.r.report(h.doubts(1))
	var texts []string
	for _, b := range h.r.tally.report.Breaches {
		require.Equal(h.t, "webhook", b.Invariant)
		texts = append(texts, b.Text)
	}
	return strings.Join(texts, "\n")
}

const words = `{"content":{"type":"text","text":"x"}}`

func TestReceiver(t *testing.T) {
	for name, c := range map[string]struct {
		calls func(*hookTest)
		want  string // in the breaches; "": none
	}{
		"all in order, with repetitions": {func(h *hookTest) {
			one, two := h.event(1, created, `{}`), h.event(2, posted, words)
			for _, seq := range []int64{1, 1, 2, 1, 2} {
				h.call(seq, map[int64]string{1: one, 2: two}[seq])
			}
		}, ""},
		"one is left out": {func(h *hookTest) {
			h.call(1, h.event(1, created, `{}`))
			h.event(2, posted, words)
			h.call(3, h.event(3, posted, words))
		}, "3 came after 1"},
		"the last one is left out": {func(h *hookTest) {
			h.call(1, h.event(1, created, `{}`))
			h.event(2, posted, words)
		}, "got 1 of 2"},
		"the first one is left out": {func(h *hookTest) {
			h.event(1, created, `{}`)
			h.call(2, h.event(2, posted, words))
		}, "the first event that came is 2"},
		"nothing came": {func(h *hookTest) { h.event(1, created, `{}`) }, "got 0 of 1"},
		"a wrong signature": {func(h *hookTest) {
			h.call(1, h.event(1, created, `{}`), func(r *http.Request) { r.Header.Set("webhook-id", "c:2") })
		}, "wrong signature"},
		"an old timestamp": {func(h *hookTest) {
			h.call(1, h.event(1, created, `{}`), func(r *http.Request) { r.Header.Set("webhook-timestamp", "1000") })
		}, "timestamp"},
		"another id": {func(h *hookTest) { h.call(2, h.event(1, created, `{}`)) }, "differ"},
		"not in the log": {func(h *hookTest) {
			h.call(1, h.event(1, created, `{}`))
			h.call(2, strings.Replace(h.event(2, posted, words), `"text":"x"`, `"text":"y"`, 1))
		}, "not in the log"},
		"other contents": {func(h *hookTest) {
			h.call(1, h.event(1, created, `{}`))
			text := h.event(2, posted, words)
			h.call(2, text)
			h.call(2, strings.Replace(text, `"text":"x"`, `"text":"y"`, 1))
		}, "came again with other contents"},
		"recalled before it came": {func(h *hookTest) {
			h.call(1, h.event(1, created, `{}`))
			h.call(2, h.event(2, posted, `{"content":null}`))
			h.call(3, h.event(3, recall, `{"target_seq":2}`))
		}, ""},
		"a text after its recall": {func(h *hookTest) {
			h.call(1, h.event(1, created, `{}`))
			text := h.event(2, posted, words)
			h.call(2, text)
			h.call(3, h.event(3, recall, `{"target_seq":2}`))
			h.call(2, text)
		}, "after its recall"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHookTest(t)
			c.calls(h)
			if got := h.breaches(); c.want == "" {
				require.Empty(t, got)
			} else {
				require.Contains(t, got, c.want)
			}
		})
	}
}
