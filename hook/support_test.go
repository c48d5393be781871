package hook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"im/domain"
	"im/hook"
	"im/test/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secret = domain.WebhookSecret([]byte("a key of the tests, 32 bytes long"))

// call is one call that an endpoint got.
type call struct {
	Type      string
	Timestamp time.Time
	Data      struct {
		ConversationID string `json:"conversation_id"`
		To             string
		TargetSeq      int64 `json:"target_seq"`
		Sender         string
		ClientMsgID    string `json:"client_msg_id"`
		Content        struct{ Type, Text string }
		Mentions       []string
		Metadata       json.RawMessage
	}
	body []byte
}

func (c call) text() string { return c.Data.Content.Text }

// endpoint is an app that decides about messages.
type endpoint struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	calls  []call
	answer func(c call, w http.ResponseWriter)
}

// newEndpoint starts an endpoint that accepts everything.
func newEndpoint(t *testing.T) *endpoint {
	e := &endpoint{t: t}
	e.says(accept)
	w, err := standardwebhooks.NewWebhook(secret)
	require.NoError(t, err)
	e.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if err := w.Verify(body, r.Header); err != nil {
			t.Errorf("the call is not signed: %v", err)
		}
		c := call{body: body}
		if err := json.Unmarshal(body, &c); err != nil {
			t.Error(err)
		}
		e.mu.Lock()
		e.calls = append(e.calls, c)
		answer := e.answer
		e.mu.Unlock()
		answer(c, rw)
	}))
	t.Cleanup(e.Close)
	return e
}

const (
	accept = `{"action":"accept"}`
	reject = `{"action":"reject","reason":"no shouting"}`
)

func replace(text string) string {
	return `{"action":"replace","content":{"type":"text","text":"` + text + `"}}`
}

func (e *endpoint) answers(answer func(c call, w http.ResponseWriter)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = answer
}

// says answers all calls alike.
func (e *endpoint) says(text string) {
	e.answers(func(_ call, w http.ResponseWriter) { _, _ = io.WriteString(w, text) })
}

// hangs answers no call before the test has ended.
func (e *endpoint) hangs() {
	ended := make(chan struct{})
	e.t.Cleanup(func() { close(ended) })
	e.answers(func(call, http.ResponseWriter) { <-ended })
}

// dies cuts off all calls without an answer.
func (e *endpoint) dies() {
	e.answers(func(call, http.ResponseWriter) { panic(http.ErrAbortHandler) })
}

// heals accepts everything again.
func (e *endpoint) heals() { e.says(accept) }

func (e *endpoint) got() []call {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.calls)
}

// node is a node whose Chat has a hook.
type node struct {
	*storetest.Node
	caller  *hook.Caller
	metrics *prometheus.Registry
	stop    func()
}

// start runs a node whose hook is the endpoint.
func (e *endpoint) start(t *testing.T, url string, change ...func(*hook.Options)) *node {
	t.Helper()
	n := &node{Node: storetest.Start(t, url), metrics: prometheus.NewRegistry()}
	o := hook.Options{
		URL: e.URL + "/hook?token=hidden", Secret: secret, Store: n.Store, Timeout: 20 * time.Second, Pause: 20 * time.Millisecond,
		Logger: slog.New(slog.DiscardHandler), Metrics: n.metrics,
	}
	for _, c := range change {
		c(&o)
	}
	n.caller = hook.New(o)
	n.Chat = n.Chat.WithHook(n.caller)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.caller.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(n.stop)
	return n
}

func closed(o *hook.Options) { o.Closed = true }

func timeout(d time.Duration) func(*hook.Options) {
	return func(o *hook.Options) { o.Timeout = d }
}

// metric returns the first metric of a name that has a label value; "" is any.
func (n *node) metric(t *testing.T, name, label string) *dto.Metric {
	t.Helper()
	families, err := n.metrics.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m
			}
		}
	}
	require.Fail(t, "no such metric", "%s %s", name, label)
	return nil
}

// results returns how many proposals had a result.
func (n *node) results(t *testing.T, result string) int {
	t.Helper()
	return int(n.metric(t, "im_hook_results_total", result).GetCounter().GetValue())
}

// open returns 1 if the breaker is open.
func (n *node) open(t *testing.T) int {
	t.Helper()
	return int(n.metric(t, "im_hook_breaker_open", "").GetGauge().GetValue())
}

func post(id domain.ConversationID, key, text string) domain.Post {
	return domain.Post{ConversationID: id, ClientMsgID: key, Content: storetest.Text(text)}
}

// send sends as a user and waits for the answer.
func (n *node) send(t *testing.T, user domain.UserID, p domain.Post) (domain.Sent, error) {
	t.Helper()
	a := storetest.Wait(t, n.Send(context.Background(), user, p))
	return a.Sent, a.Err
}

// texts returns the texts of the messages of a conversation as alice reads them.
func (n *node) texts(t *testing.T, id domain.ConversationID) (list []string) {
	t.Helper()
	page, err := n.Messages(t.Context(), storetest.User("alice"), id, domain.Range{Limit: 1000})
	require.NoError(t, err)
	for _, m := range page.Messages {
		var content struct{ Text string }
		require.NoError(t, json.Unmarshal(m.Content, &content))
		list = append(list, content.Text)
	}
	return list
}

func numbered(prefix string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint(prefix, i))
	}
	return list
}
