package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/routing/broker"
	"im/test/eventually"
)

// running is a node that runs in the process of the test.
type running struct {
	*Node

	t   testing.TB
	url string
}

// startNode runs a node until the end of the test.
func startNode(t testing.TB, o Options) *running {
	t.Helper()
	n, err := New(t.Context(), o)
	require.NoError(t, err)
	listener := listen(t)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
		n.Close()
	})
	require.True(t, n.AwaitReady(t.Context()))
	return &running{n, t, "http://" + listener.Addr().String()}
}

// call makes a REST call of a user and returns its status and body.
func (r *running) call(user domain.UserID, method, path, body string) (int, string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	require.NoError(r.t, err)
	request.Close = true
	if user != "" {
		request.Header.Set("Authorization", "Bearer "+tokenOf(r.t, user))
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(r.t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(r.t, err)
	return response.StatusCode, string(text)
}

func tokenOf(t testing.TB, user domain.UserID) string {
	t.Helper()
	token, err := Signing{Secret: secret, UserClaim: "sub"}.Sign(user, false, time.Hour)
	require.NoError(t, err)
	return token
}

// socketOf opens a session and waits for its welcome.
func (r *running) socketOf(user domain.UserID) *websocket.Conn {
	r.t.Helper()
	conn, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(r.url, "http")+"/v1/ws", nil)
	require.NoError(r.t, err)
	_ = response.Body.Close()
	r.t.Cleanup(func() { _ = conn.Close() })
	write(r.t, conn, fmt.Sprintf(`{"type":"hello","device_id":"d","token":%q}`, tokenOf(r.t, user)))
	await(r.t, conn, `"type":"welcome"`)
	return conn
}

func write(t testing.TB, conn *websocket.Conn, frame string) {
	t.Helper()
	require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(frame)))
}

// await reads frames until one contains text, and returns it.
func await(t testing.TB, conn *websocket.Conn, text string) string {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(eventually.Deadline)))
	for {
		_, frame, err := conn.ReadMessage()
		require.NoError(t, err, "waiting for %s", text)
		if strings.Contains(string(frame), text) {
			return string(frame)
		}
	}
}

// value returns a metric: the value, or the number of observations of a histogram. Labels
// are pairs of name and value; the values of all children with these labels are added.
func (r *running) value(name string, labels ...string) (sum float64) {
	r.t.Helper()
	families, err := r.Metrics().Gather()
	require.NoError(r.t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	children:
		for _, m := range f.GetMetric() {
			has := map[string]string{}
			for _, l := range m.GetLabel() {
				has[l.GetName()] = l.GetValue()
			}
			for i := 0; i < len(labels); i += 2 {
				if has[labels[i]] != labels[i+1] {
					continue children
				}
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// requireValue waits until a metric has a value.
func (r *running) requireValue(want float64, name string, labels ...string) {
	r.t.Helper()
	eventually.NoError(r.t, name+" "+fmt.Sprint(labels), func() error {
		if got := r.value(name, labels...); got != want {
			return fmt.Errorf("%s%v is %v, not %v", name, labels, got, want)
		}
		return nil
	})
}

// lossyBroker can lose what is published.
type lossyBroker struct {
	broker.Broker

	loses atomic.Bool
}

func (b *lossyBroker) Publish(to domain.NodeID, msgs ...*message.Message) error {
	if b.loses.Load() {
		return nil
	}
	return b.Broker.Publish(to, msgs...)
}

// TestMetrics drives two nodes and checks that each metric moves by the right amount.
func TestMetrics(t *testing.T) {
	o := testOptions(t)
	lossy := &lossyBroker{Broker: o.Broker}
	o.Broker, o.Operation.MetricsPublic = lossy, true
	require.NoError(t, o.Rules.Rates.UserSends.UnmarshalText([]byte("0.001:5")))
	a := startNode(t, o)
	o.Operation.MetricsPublic = false
	b := startNode(t, o)

	status, body := a.call("", http.MethodGet, "/metrics", "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "im_build_info{")
	status, _ = b.call("", http.MethodGet, "/metrics", "")
	require.Equal(t, http.StatusNotFound, status, "not public unless it is set")

	status, body = a.call("alice", http.MethodPost, "/v1/conversations", `{"kind":"direct","members":["bob"]}`)
	require.Equal(t, http.StatusCreated, status, body)
	id := body[strings.Index(body, `"conversation_id":"`)+len(`"conversation_id":"`):][:36]
	a.requireValue(1, "im_requests_total", "transport", "rest", "operation", "createConversation", "code", "ok")
	alice, bob := a.socketOf("alice"), b.socketOf("bob")
	for _, n := range []*running{a, b} {
		n.requireValue(1, "im_sessions")
		n.requireValue(1, "im_users_online")
		n.requireValue(1, "im_sockets")
		n.requireValue(1, "im_connects_total", "code", "ok")
		n.requireValue(1, "im_join_seconds")
		n.requireValue(1, "im_frames_sent_total", "type", "welcome")
		n.requireValue(1, "im_serving")
		n.requireValue(1, "im_registry_ready")
		n.requireValue(1, "im_broker_ready")
		n.requireValue(1, "im_hub_conversations")
	}
	a.requireValue(2, "im_registry_nodes")

	send := func(key, text string) {
		write(t, alice, fmt.Sprintf(`{"type":"send","id":%q,"client_msg_id":%q,"conversation_id":%q,"content":{"type":"text","text":%q}}`, key+text, key, id, text))
	}
	send("m1", "one")
	await(t, bob, `"client_msg_id":"m1"`)
	t.Run("a message to another node", func(t *testing.T) {
		for _, stage := range []string{"queue", "decide", "commit"} {
			a.requireValue(1, "im_append_stage_seconds", "stage", stage)
		}
		a.requireValue(1, "im_append_batch_commands")
		a.requireValue(1, "im_append_commands_total", "outcome", "committed")
		a.requireValue(1, "im_append_events_total", "type", "message.posted")
		a.requireValue(1, "im_requests_total", "transport", "ws", "operation", "send", "code", "ok")
		a.requireValue(1, "im_request_seconds", "transport", "ws", "operation", "send")
		a.requireValue(1, "im_frames_received_total", "type", "send")
		a.requireValue(1, "im_frames_sent_total", "type", "sent")
		a.requireValue(1, "im_delivery_seconds", "path", "local")
		a.requireValue(1, "im_routing_sent_total")
		b.requireValue(1, "im_delivery_seconds", "path", "amqp")
		b.requireValue(1, "im_frames_sent_total", "type", "event")
		b.requireValue(0, "im_append_events_total")
		require.Positive(t, b.value("im_routing_delivered_total"))
		require.Positive(t, a.value("im_registry_looked_up_total"))
		require.Positive(t, a.value("im_socket_written_bytes_total"))
	})
	t.Run("duplicates, refusals and bad frames", func(t *testing.T) {
		send("m1", "one")
		a.requireValue(1, "im_append_commands_total", "outcome", "duplicate")
		send("m1", "other")
		a.requireValue(1, "im_append_commands_total", "outcome", "idempotency_conflict")
		a.requireValue(1, "im_requests_total", "transport", "ws", "operation", "send", "code", "idempotency_conflict")
		write(t, alice, `{"type":"nonsense"}`)
		write(t, alice, `not JSON`)
		a.requireValue(2, "im_frames_received_total", "type", "other")
		write(t, alice, `{"type":"pull","id":"p"}`)
		a.requireValue(1, "im_requests_total", "transport", "ws", "operation", "pull", "code", "invalid")
		_, _ = a.call("", http.MethodGet, "/v1/sync", "")
		a.requireValue(1, "im_requests_total", "transport", "rest", "operation", "sync", "code", "unauthenticated")
	})
	t.Run("what the broker loses comes by the tail", func(t *testing.T) {
		lossy.loses.Store(true)
		defer lossy.loses.Store(false)
		before := b.value("im_tail_healed_events_total")
		send("m2", "two")
		await(t, bob, `"client_msg_id":"m2"`)
		b.requireValue(before+1, "im_tail_healed_events_total")
		b.requireValue(1, "im_delivery_seconds", "path", "tail")
		require.Positive(t, b.value("im_hub_read_seconds"))
		require.Positive(t, b.value("im_tail_readings_total", "result", "ok"))
		require.Less(t, b.value("im_tail_age_seconds"), eventually.Deadline.Seconds())
	})
	t.Run("a rate limit", func(t *testing.T) {
		send("m3", "three")
		await(t, alice, `"code":"rate_limited"`)
		a.requireValue(1, "im_rate_limited_total", "class", "send", "by", "user")
		a.requireValue(0, "im_rate_limited_total", "by", "address")
		a.requireValue(1, "im_requests_total", "transport", "ws", "operation", "send", "code", "rate_limited")
	})
	t.Run("a disconnect", func(t *testing.T) {
		require.NoError(t, bob.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second)))
		b.requireValue(1, "im_disconnects_total", "code", "1000")
		b.requireValue(0, "im_sessions")
		b.requireValue(0, "im_sockets")
		require.NoError(t, alice.NetConn().Close())
		a.requireValue(1, "im_disconnects_total", "code", "1006")
	})
	t.Run("the search index and the database", func(t *testing.T) {
		eventually.True(t, "one node updates the index", func() bool {
			return a.value("im_search_holder")+b.value("im_search_holder") == 1
		})
		require.Positive(t, a.value("im_database_pool_acquires_total"))
		require.Positive(t, a.value("im_database_pool_connections_max"))
	})
}

// TestMetricsAtTheAdminAddress: they are served before the node serves clients.
func TestMetricsAtTheAdminAddress(t *testing.T) {
	o := testOptions(t)
	o.Admin = openAdmins(t, "127.0.0.1:0", 1)[0]
	n, err := New(t.Context(), o)
	require.NoError(t, err)
	defer n.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+o.Admin.Addr()+"/metrics", http.NoBody)
	require.NoError(t, err)
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Contains(t, string(text), "im_serving 0")
	require.Contains(t, string(text), "go_goroutines")
}
