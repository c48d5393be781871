package top

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"
)

// node is a node of which the test sets the metrics.
type node struct {
	url      string
	messages prometheus.Counter
	sends    prometheus.Observer
	up       atomic.Bool
}

func startNode(t *testing.T, redis float64) *node {
	t.Helper()
	r := prometheus.NewRegistry()
	f := promauto.With(r)
	for name, value := range map[string]float64{
		"im_serving": 1, "im_sessions": 7, "im_registry_ready": redis, "im_broker_ready": 1, "im_tail_age_seconds": 0.5,
		"im_database_pool_connections_in_use": 3, "im_database_pool_connections_max": 8, "im_socket_queue_bytes": 2048,
	} {
		f.NewGauge(prometheus.GaugeOpts{Name: name}).Set(value)
	}
	n := &node{
		messages: f.NewCounterVec(prometheus.CounterOpts{Name: "im_append_events_total"}, []string{"type"}).WithLabelValues("message.posted"),
		sends: f.NewHistogramVec(prometheus.HistogramOpts{Name: "im_request_seconds", Buckets: []float64{.01, .1, 1}}, []string{"transport", "operation"}).
			WithLabelValues("ws", "send"),
	}
	n.up.Store(true)
	metrics := promhttp.HandlerFor(r, promhttp.HandlerOpts{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !n.up.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		metrics.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	n.url = server.URL
	return n
}

// TestFrame: rates and latencies are those between two readings.
func TestFrame(t *testing.T) {
	a, b := startNode(t, 1), startNode(t, 0)
	a.messages.Add(1000)
	for range 50 {
		a.sends.Observe(0.5) // before the first reading
	}
	next := Watch(t.Context(), []string{a.url, b.url, "http://127.0.0.1:1"})
	a.messages.Add(30)
	b.messages.Add(10)
	for range 99 {
		a.sends.Observe(0.005)
	}
	b.sends.Observe(0.05)
	time.Sleep(200 * time.Millisecond) // each node is read at its own moment, which then matters little
	f := next(t.Context())

	require.Len(t, f.Nodes, 3)
	require.Equal(t, 2, f.Answered())
	require.NotEmpty(t, f.Nodes[2].Error)
	require.Positive(t, f.Seconds)
	require.Positive(t, f.Nodes[0].Messages)
	require.Less(t, f.Nodes[0].Messages*f.Seconds, 300.0, "30, and not the 1,000 from before")
	require.Greater(t, f.Total.Messages, f.Nodes[0].Messages)
	require.Less(t, *f.Total.SendP50, 0.01, "not the slow ones from before")
	require.Less(t, *f.Total.SendP99, 0.011)
	require.InDelta(t, 0.05, *f.Nodes[1].SendP99, 0.05)
	require.Nil(t, f.Total.DeliveryP50, "nothing was delivered")
	require.Equal(t, 14.0, f.Total.Sessions)
	require.Equal(t, 0.5, f.Total.TailAge, "the greatest")
	require.True(t, f.Nodes[0].Redis)
	require.False(t, f.Nodes[1].Redis)
	require.False(t, f.Total.Redis)

	var text strings.Builder
	require.NoError(t, WriteText(&text, f))
	for _, want := range []string{"sessions", nameOf(a.url), "no Redis", "3/8", "2.0KiB", "500ms", "all", "127.0.0.1:1: "} {
		require.Contains(t, text.String(), want)
	}

	a.up.Store(false)
	f = next(t.Context())
	require.Contains(t, f.Nodes[0].Error, "502")
	a.up.Store(true)
	f = next(t.Context())
	require.Empty(t, f.Nodes[0].Error)
	require.Zero(t, f.Nodes[0].Messages, "a node that has just come has no rates yet")
}

// TestQuantile: as histogram_quantile of Prometheus.
func TestQuantile(t *testing.T) {
	h := histogram{1: 10, 2: 80, 4: 10}
	require.InDelta(t, 1.5, *h.quantile(0.5), 1e-9)
	require.InDelta(t, 3.8, *h.quantile(0.99), 1e-9)
	require.InDelta(t, 0.5, *h.quantile(0.05), 1e-9)
	require.Equal(t, 4.0, *histogram{4: 1, math.Inf(1): 99}.quantile(0.99), "beyond the last bound it is at least that")
	require.Nil(t, histogram{1: 0}.quantile(0.5))
	require.Equal(t, h, h.since(histogram{1: 11}), "after a restart everything is new")
	require.Equal(t, histogram{1: 9, 2: 80, 4: 10}, h.since(histogram{1: 1}))
}

// TestNotANode: an address that serves something else is named as such.
func TestNotANode(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "up 1") }))
	defer server.Close()
	require.ErrorContains(t, scrapeNode(t.Context(), server.URL).err, "not the address for operators")
}

// TestScreen: the screen shows a frame, reads again after a while, and ends by a key.
func TestScreen(t *testing.T) {
	n := startNode(t, 0)
	s := &screen{urls: []string{n.url}, every: time.Millisecond, read: func() tea.Msg { return nil }}
	require.Contains(t, s.View(), "reading 1 nodes")
	next := Watch(t.Context(), s.urls)
	_, cmd := s.Update(frameMsg(next(t.Context())))
	require.IsType(t, tickMsg{}, cmd())
	_, cmd = s.Update(tickMsg{})
	require.NotNil(t, cmd)
	require.Contains(t, s.View(), "no Redis")
	_, _ = s.Update(tea.WindowSizeMsg{Width: 20, Height: 5})
	require.NotContains(t, s.View(), "no Redis", "lines are cut at the width")
	_, cmd = s.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("q")})
	require.Equal(t, tea.Quit(), cmd())
}
