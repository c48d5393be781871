package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"im/test/leaktest"

	"im/domain"
	"im/store/postgres"
	"im/test/eventually"
	"im/test/storetest"
	"im/webhook"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// call is one call that an endpoint got.
type call struct {
	id     string
	event  domain.Event // of a message.notify: its event
	to     []domain.NotifyRecipient
	report domain.Report
	header http.Header
	body   []byte
	taken  bool
}

// endpoint is a server that takes the calls of webhooks.
type endpoint struct {
	*httptest.Server

	mu     sync.Mutex
	calls  []call
	secret string
	answer func(call) int // the status; nil: 204
	header http.Header
}

func newEndpoint(t *testing.T) *endpoint {
	e := &endpoint{header: http.Header{}}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the sender has died
		}
		c := call{id: r.Header.Get(standardwebhooks.HeaderWebhookID), header: r.Header.Clone(), body: body}
		status := http.StatusNoContent
		if c.parse() != nil {
			status = http.StatusBadRequest
		}
		e.mu.Lock()
		answer := e.answer
		e.mu.Unlock()
		if answer != nil && status == http.StatusNoContent {
			status = answer(c)
		}
		c.taken = status < 300
		e.mu.Lock()
		e.calls = append(e.calls, c)
		for name, values := range e.header {
			w.Header()[name] = values
		}
		e.mu.Unlock()
		w.WriteHeader(status)
	}))
	t.Cleanup(e.Close)
	return e
}

// parse parses the body by its type.
func (c *call) parse() error {
	var message struct {
		Type domain.EventType
		Data json.RawMessage
	}
	if err := json.Unmarshal(c.body, &message); err != nil {
		return err
	}
	switch message.Type {
	case domain.MessageNotify:
		var data struct {
			Event      *domain.Event
			Recipients *[]domain.NotifyRecipient
		}
		data.Event, data.Recipients = &c.event, &c.to
		return json.Unmarshal(message.Data, &data)
	case domain.ReportCreated:
		return json.Unmarshal(message.Data, &c.report)
	case "webhook.test":
		return nil
	}
	if err := json.Unmarshal(message.Data, &c.event); err != nil || message.Type != c.event.Type {
		return fmt.Errorf("%s: %w", message.Type, err)
	}
	return nil
}

func (e *endpoint) answers(answer func(call) int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = answer
}

// got returns all calls, or those that were taken.
func (e *endpoint) got(takenOnly bool) []call {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := slices.Clone(e.calls)
	if takenOnly {
		list = slices.DeleteFunc(list, func(c call) bool { return !c.taken })
	}
	return list
}

// seqs returns the seqs of a conversation in the order of the calls.
func seqs(calls []call, id domain.ConversationID) (list []int64) {
	for _, c := range calls {
		if c.event.ConversationID == id {
			list = append(list, c.event.Seq)
		}
	}
	return list
}

// upTo returns 1 … n.
func upTo(n int64) (list []int64) {
	for seq := int64(1); seq <= n; seq++ {
		list = append(list, seq)
	}
	return list
}

// requireOrder fails unless seqs are first … last, where each may be repeated together with
// what follows it.
func requireOrder(t *testing.T, list []int64, first, last int64) {
	t.Helper()
	next := first
	for _, seq := range list {
		require.LessOrEqual(t, seq, next, "a hole in %v", list)
		next = max(next, seq+1)
	}
	require.Equal(t, last+1, next, "%v", list)
}

// loopback lets webhooks call the endpoints of tests.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// deliver runs a Deliverer until the test ends, or stop is called.
func deliver(t *testing.T, n *storetest.Node, change ...func(*webhook.Options)) (d *webhook.Deliverer, stop func()) {
	t.Helper()
	o := webhook.Options{
		Store: n.Store, Allow: loopback, Lease: time.Second, Pause: 10 * time.Millisecond,
		Retries: slices.Repeat([]time.Duration{20 * time.Millisecond}, 9),
	}
	for _, c := range change {
		c(&o)
	}
	d = webhook.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return d, stop
}

// patient lets a Deliverer try for long enough, however slow the machine is.
func patient(o *webhook.Options) { o.Retries = slices.Repeat(o.Retries, 1000) }

// stuckForLong lets calls wait for their answers until the test ends. With a shorter time,
// an endpoint that holds up others would do so for that time only.
func stuckForLong(o *webhook.Options) { o.CallTimeout = time.Hour }

// hook creates a webhook for an endpoint.
func (e *endpoint) hook(t *testing.T, d *webhook.Deliverer, change ...func(*domain.NewWebhook)) domain.Webhook {
	t.Helper()
	n := domain.NewWebhook{URL: e.URL + "/hook"}
	for _, c := range change {
		c(&n)
	}
	require.NoError(t, n.Check(domain.DefaultLimits()))
	made, err := d.CreateWebhook(t.Context(), n)
	require.NoError(t, err)
	e.mu.Lock()
	e.secret = made.Secret
	e.mu.Unlock()
	return made
}

// verify checks the signature of a call.
func verify(t *testing.T, secret string, c call) error {
	t.Helper()
	w, err := standardwebhooks.NewWebhook(secret)
	require.NoError(t, err)
	return w.Verify(c.body, c.header)
}

// posts posts messages as alice, and returns the seq of the last one.
func posts(t *testing.T, n *storetest.Node, id domain.ConversationID, from, count int) {
	t.Helper()
	for i := range count {
		n.Post(t, "alice", id, fmt.Sprintf("m%d", from+i), fmt.Sprintf("text %d", from+i))
	}
}

// waiting returns what a webhook has not taken.
func waiting(t *testing.T, s *postgres.Store, hook domain.Webhook, state domain.DeliveryState) []domain.Delivery {
	t.Helper()
	page, err := s.WebhookDeliveries(t.Context(), hook.WebhookID, state, "", 500)
	require.NoError(t, err)
	return page.Items
}

// settled waits until a webhook is owed nothing.
func settled(t *testing.T, s *postgres.Store, hook domain.Webhook) {
	t.Helper()
	eventually.True(t, "nothing is owed", func() bool { return len(waiting(t, s, hook, domain.DeliveryWaiting)) == 0 })
}
