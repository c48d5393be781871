package verify

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// TestConnectElsewhere checks that a refusal, of any kind, causes no wait while there
// is another node.
func TestConnectElsewhere(t *testing.T) {
	t.Parallel()
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	busy := serving(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	drains := serving(t, func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, websocket.CloseMessage, websocket.FormatCloseMessage(4000, "draining"))
	})
	well := serving(t, func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, websocket.TextMessage, []byte(`{"type":"welcome","epoch":"e"}`))
	})
	urls := []string{well, away.URL, busy, drains}
	r := newRunner(&Options{URLs: urls, Token: func(context.Context, string) (string, error) { return "t", nil }, Users: 1, Seed: 1})
	d := r.users[0].devices[0]
	fastest := time.Minute // the machine may be busy
	for range 10 {
		began := time.Now()
		s, at := d.connect(t.Context(), 1)
		require.NotNil(t, s)
		require.Equal(t, 0, at)
		require.NoError(t, s.ws.Close())
		fastest = min(fastest, time.Since(began))
	}
	require.Equal(t, map[string]int64{refused: 10, "handshake 503": 10, "close 4000": 10}, r.tally.report.Faults)
	require.Less(t, fastest, 100*time.Millisecond, "it waited")
}

// TestConnectStopped checks that a node that accepts connections and answers nothing,
// or no hello, is given up soon.
func TestConnectStopped(t *testing.T) {
	t.Parallel()
	stopped, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = stopped.Close() })
	mute := serving(t, func(w http.ResponseWriter, r *http.Request) { answer(w, r, websocket.PongMessage, nil) })
	r := newRunner(&Options{Token: func(context.Context, string) (string, error) { return "t", nil }, Users: 1, Seed: 1})
	for _, url := range []string{"http://" + stopped.Addr().String(), mute} {
		began := time.Now()
		_, err := r.users[0].devices[0].dial(t.Context(), url, false, 50*time.Millisecond)
		require.EqualError(t, err, timedOut)
		require.Less(t, time.Since(began), requestTimeout, "it waited for as long as for an answer")
	}
	for round, want := range []time.Duration{3 * time.Second, 6 * time.Second, 12 * time.Second, requestTimeout, requestTimeout} {
		require.Equal(t, want, dialTimeout(round))
	}
	require.Equal(t, requestTimeout, dialTimeout(1000))
}

// TestSynced checks that a conversation that a whole sync does not list is gone, unless
// it was pushed to this session, perhaps after its page.
func TestSynced(t *testing.T) {
	t.Parallel()
	r := newRunner(&Options{Users: 1, Seed: 1})
	d := r.users[0].devices[0]
	s := &session{r: r, d: d, stream: newStream(d.user.name)}
	d.noteHead("pushed before", 1)
	d.noteHead("synced before", 1)
	d.holdings["synced before"].synced = 1
	d.noteHead("listed", 1)
	d.serial++
	d.noteHead("pushed now", 1)
	d.synced(s, map[string]bool{"listed": true}, false)
	require.Len(t, d.holdings, 4)
	d.synced(s, map[string]bool{"listed": true}, true)
	require.Len(t, d.holdings, 2)
	require.Contains(t, d.holdings, "listed")
	require.Contains(t, d.holdings, "pushed now")
}

// TestConnectWaits checks that a device waits after each round over all nodes, longer
// each time.
func TestConnectWaits(t *testing.T) {
	t.Parallel()
	rng := &lockedRand{rng: stream64(1, 0, 0)}
	longest := func(round int) (most time.Duration) {
		for range 1000 {
			most = max(most, jitter(rng, round))
		}
		return most
	}
	for round, limit := range map[int]time.Duration{1: 500 * time.Millisecond, 2: time.Second, 6: 16 * time.Second, 7: 20 * time.Second, 99: 20 * time.Second} {
		require.Less(t, longest(round), limit)
		require.Greater(t, longest(round), limit*9/10)
	}
}

func serving(t *testing.T, handle http.HandlerFunc) (url string) {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server.URL
}

// answer accepts a socket, sends one frame after hello, and waits for its end.
func answer(w http.ResponseWriter, r *http.Request, kind int, data []byte) {
	ws, err := (&websocket.Upgrader{Subprotocols: []string{"im.v1"}}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = ws.Close() }()
	_, _, _ = ws.ReadMessage()
	_ = ws.WriteMessage(kind, data)
	_, _, _ = ws.ReadMessage()
}
