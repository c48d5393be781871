package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// fake is a server with one conversation, whose conduct a test chooses.
type fake struct {
	t      testing.TB
	server *httptest.Server
	hold   func() // called before each answer; nil: nothing
	copies func(number int, sender, receiver int) int

	mu      sync.Mutex
	sockets []*websocket.Conn
	sent    int
}

func newFake(t testing.TB) *fake {
	f := &fake{t: t, hold: func() {}, copies: func(int, int, int) int { return 1 }}
	f.server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.server.Close)
	return f
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		_, _ = io.WriteString(w, `{"conversation_id":"c"}`)
		return
	}
	upgrader := websocket.Upgrader{Subprotocols: []string{subprotocol}}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	var hello struct{ Type string }
	if ws.ReadJSON(&hello) != nil || hello.Type != "hello" {
		return
	}
	f.mu.Lock()
	me := len(f.sockets)
	f.sockets = append(f.sockets, ws)
	_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"welcome"}`))
	f.mu.Unlock()
	for {
		var send struct{ ID, ClientMsgID string }
		_, data, err := ws.ReadMessage()
		if err != nil || json.Unmarshal(data, &send) != nil {
			return
		}
		f.hold()
		f.answer(me, send.ID)
	}
}

func (f *fake) answer(me int, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent++
	_ = f.sockets[me].WriteMessage(websocket.TextMessage, []byte(`{"type":"sent","id":"`+id+`","seq":1}`))
	for i, ws := range f.sockets {
		event := fmt.Sprintf(`{"type":"event","event":{"seq":1,"sender":"u%d","client_msg_id":"%s"}}`, me, id)
		for range f.copies(f.sent, me, i) {
			_ = ws.WriteMessage(websocket.TextMessage, []byte(event))
		}
	}
}

// taken returns how many sockets have come since it was asked last.
func (f *fake) taken() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.sockets)
	f.sockets = nil
	return n
}

func (f *fake) answered() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sent
}

// load connects sockets, of which some send.
func (f *fake) load(senders, listeners, inFlight int) *load {
	f.t.Helper()
	l := newLoad("abcdef", senders+listeners-1)
	for i := range senders + listeners {
		sock, err := dial(f.t.Context(), f.server.URL, "token", device)
		require.NoError(f.t, err)
		if i >= senders {
			inFlight = 0
		}
		l.add(sock, fmt.Sprintf("u%d", i), "c", inFlight)
	}
	return l
}

func (f *fake) run(l *load, o Options) {
	f.t.Helper()
	o.Progress = io.Discard
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	require.NoError(f.t, l.run(ctx, o, func() {}, func() {}))
}
