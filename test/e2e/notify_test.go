package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
)

// pushEndpoint keeps the calls that it takes, by their ids.
type pushEndpoint struct {
	mu    sync.Mutex
	calls map[string]pushCall
}

type pushCall struct {
	Type domain.EventType
	Data struct {
		domain.Report

		Event      *domain.Event
		Recipients []domain.NotifyRecipient
	}
}

func (e *pushEndpoint) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var c pushCall
	if body, err := io.ReadAll(r.Body); err != nil || json.Unmarshal(body, &c) != nil {
		return // the node was killed
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls[r.Header.Get("webhook-id")] = c
}

// wait waits for a call.
func (e *pushEndpoint) wait(t *testing.T, id string) (c pushCall) {
	t.Helper()
	eventually.True(t, id+" came", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		var found bool
		c, found = e.calls[id]
		return found
	})
	return c
}

// TestNotifyWebhook: a user whose socket is open, but whose device has acknowledged nothing,
// is notified, and one who has acknowledged is not; also if the node that delivers is killed
// in between. A report comes to the same webhook.
func TestNotifyWebhook(t *testing.T) {
	c := newCluster(t, "IM_WEBHOOK_ALLOW=127.0.0.0/8", "IM_PUSH_DELAY=3s")
	one, two := c.node("one"), c.node("two")
	e := &pushEndpoint{calls: map[string]pushCall{}}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	one.mustCall(400, serverToken(t), "POST", "/v1/webhooks", map[string]any{"url": server.URL, "types": []string{"message.notify"}, "recipients": "none"})
	made := decode[domain.Webhook](t, one.mustCall(201, serverToken(t), "POST", "/v1/webhooks",
		map[string]any{"url": server.URL, "types": []string{"message.notify", "report.created"}, "recipients": "offline"}))
	require.Equal(t, domain.RecipientsOffline, made.Recipients)

	id := two.group("alice", "bob", "carol")
	connect(t, one.URL, "bob", "phone")
	connect(t, two.URL, "bob", "laptop")
	carol := connect(t, two.URL, "carol", "phone")
	alice := connect(t, two.URL, "alice", "phone")
	notified := func(seq int64) []domain.NotifyRecipient {
		call := e.wait(t, fmt.Sprintf("%s:%d:notify", id, seq))
		require.Equal(t, domain.MessageNotify, call.Type)
		require.Equal(t, seq, call.Data.Event.Seq)
		return call.Data.Recipients
	}
	var seq int64
	eventually.True(t, "carol acknowledges before the delay is over, on a busy machine too", func() bool {
		s := alice.post(id, fmt.Sprint("c-", seq), "x")
		require.Empty(t, s.Code)
		seq = s.Seq
		carol.waitEvent(id, seq)
		carol.write(map[string]any{"type": "ack", "acks": map[string]int64{id.String(): seq}})
		return !slices.ContainsFunc(notified(seq), func(r domain.NotifyRecipient) bool { return r.UserID == "carol" })
	})
	devices := 2
	require.Equal(t, []domain.NotifyRecipient{{UserID: "bob", DevicesOnline: &devices, UnreadTotal: seq - 1, Notify: "all"}}, notified(seq))

	two.mustCall(204, userToken(t, "bob"), "POST", fmt.Sprintf("/v1/conversations/%s/messages/%d/reports", id, seq), map[string]any{"category": "spam"})
	reports := decode[domain.Page[domain.Report]](t, two.mustCall(200, serverToken(t), "GET", "/v1/reports", nil))
	require.Len(t, reports.Items, 1)
	require.Equal(t, reports.Items[0], e.wait(t, reports.Items[0].ReportID+":report").Data.Report)

	last := alice.post(id, "last", "x")
	require.Empty(t, last.Code)
	one.Signal(syscall.SIGKILL)
	require.Equal(t, domain.UserID("bob"), notified(last.Seq)[0].UserID)
}
