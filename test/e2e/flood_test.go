package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"im/domain"
)

// connectWithRetry opens a socket and retries with backoff until deadline, as clients do.
// It adds the number of failed attempts to retries.
func connectWithRetry(url, bearer string, deadline time.Time, retries *int) (*websocket.Conn, error) {
	dialer := websocket.Dialer{Subprotocols: []string{"im.v1"}, HandshakeTimeout: waitTimeout, ReadBufferSize: 1 << 10}
	for pause := 500 * time.Millisecond; ; pause = min(2*pause, 20*time.Second) {
		ws, err := welcome(dialer, url, bearer)
		if err == nil || time.Now().After(deadline) {
			return ws, err
		}
		*retries++
		time.Sleep(rand.N(pause))
	}
}

// welcome opens a socket, sends hello and waits for welcome.
func welcome(dialer websocket.Dialer, url, bearer string) (*websocket.Conn, error) {
	ws, resp, err := dialer.Dial("ws"+strings.TrimPrefix(url, "http")+"/v1/ws", nil)
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	_ = ws.SetReadDeadline(time.Now().Add(waitTimeout))
	var f frame
	if err = ws.WriteJSON(map[string]any{"type": "hello", "device_id": "phone", "token": bearer}); err == nil {
		err = ws.ReadJSON(&f)
	}
	if err == nil && f.Type != "welcome" {
		err = fmt.Errorf("%s instead of welcome", f.Type)
	}
	if err != nil {
		_ = ws.Close()
		return nil, err
	}
	_ = ws.SetReadDeadline(time.Time{})
	return ws, nil
}

// flooder sends as fast as its limit of requests in flight allows, and records each answer.
type flooder struct {
	ws      *websocket.Conn
	id      domain.ConversationID
	name    string
	content string

	mu           sync.Mutex
	asked        map[string]time.Time // requests without an answer, by client_msg_id
	sent         map[string]int64     // seq by client_msg_id
	refused      map[domain.Code]int
	acceptedAt   []time.Time // of each accepted send
	withoutDelay int         // refusals with retry "after" but without retry_after_ms
	slowest      time.Duration
}

// flood sends until end, and returns when each request is answered.
func (f *flooder) flood(end time.Time, inFlight int) error {
	turns := make(chan struct{}, inFlight)
	reading := make(chan error, 1)
	go func() { reading <- f.read(turns) }()
	n := 0
	for ; time.Now().Before(end); n++ {
		select {
		case turns <- struct{}{}:
		case err := <-reading:
			return err
		}
		id := fmt.Sprint(f.name, "-", n)
		f.mu.Lock()
		f.asked[id] = time.Now()
		f.mu.Unlock()
		if err := f.ws.WriteJSON(map[string]any{
			"type": "send", "id": id, "client_msg_id": id, "conversation_id": f.id, "content": text(f.content),
		}); err != nil {
			return err
		}
	}
	for range inFlight { // each request is answered when all turns are free
		select {
		case turns <- struct{}{}:
		case err := <-reading:
			return err
		case <-time.After(waitTimeout):
			return fmt.Errorf("%s: %d requests have no answer", f.name, len(f.asked))
		}
	}
	return nil
}

// eventPrefix is how event frames begin. A flooder gets about a hundred of them for each
// answer and skips them: decoding them would slow down the node on the same machine.
var eventPrefix = []byte(`{"type":"event",`)

// read records answers until the socket ends. Each answer frees a turn.
func (f *flooder) read(turns <-chan struct{}) error {
	for {
		_, data, err := f.ws.ReadMessage()
		if err != nil {
			return err
		}
		if bytes.HasPrefix(data, eventPrefix) {
			continue
		}
		var a struct {
			Type, ID string
			Code     domain.Code
			Retry    domain.Retry
			After    int64 `json:"retry_after_ms"`
			Seq      int64
		}
		if err := json.Unmarshal(data, &a); err != nil {
			return err
		}
		if a.Type != "sent" && a.Type != "error" {
			continue
		}
		f.mu.Lock()
		f.slowest = max(f.slowest, time.Since(f.asked[a.ID]))
		delete(f.asked, a.ID)
		if a.Type == "sent" {
			f.sent[a.ID] = a.Seq
			f.acceptedAt = append(f.acceptedAt, time.Now())
		} else {
			f.refused[a.Code]++
			if a.Retry == domain.RetryAfter && a.After == 0 {
				f.withoutDelay++
			}
		}
		f.mu.Unlock()
		if a.Type == "sent" {
			<-turns
		} else {
			// Without a delay the node would mostly refuse requests.
			time.AfterFunc(500*time.Millisecond, func() { <-turns })
		}
	}
}

// floodResult is the result of a flood.
type floodResult struct {
	sent    int
	refused map[domain.Code]int
	slowest time.Duration // longest time to an answer
	pause   time.Duration // longest time without any accepted send
}

// floodAll runs one flooder for each user. It asserts that each request was answered in
// time, refusals ask for a retry with a delay, and each accepted send is in the log.
func floodAll(t *testing.T, n *testNode, conversations []domain.ConversationID, users []domain.UserID, inFlight, size int, duration time.Duration) floodResult {
	t.Helper()
	var g errgroup.Group
	all := make([]*flooder, len(users))
	before, end := n.resident(), time.Now().Add(duration)
	for i, user := range users {
		bearer := userToken(t, user)
		g.Go(func() error {
			var retries int
			ws, err := connectWithRetry(n.URL, bearer, time.Now().Add(waitTimeout), &retries)
			if err != nil {
				return err
			}
			defer func() { _ = ws.Close() }()
			all[i] = &flooder{
				ws: ws, id: conversations[i%len(conversations)], name: string(user), content: strings.Repeat("x", size),
				asked: map[string]time.Time{}, sent: map[string]int64{}, refused: map[domain.Code]int{},
			}
			return all[i].flood(end, inFlight)
		})
	}
	require.NoError(t, g.Wait())
	total := sumFloods(t, all)
	t.Logf("%d sent, refused %v; slowest answer %s, longest time without an accepted send %s; memory %d MiB before, %d MiB peak, %d MiB now",
		total.sent, total.refused, total.slowest.Round(time.Millisecond), total.pause.Round(time.Millisecond),
		before, n.peak(), n.resident())
	// The contract promises 10 s. A shared machine needs more to read the frames before an answer.
	require.Less(t, total.slowest, 40*time.Second)
	requireRecovered(t, n, conversations, users)
	requireAccepted(t, n, users[0], all)
	return total
}

// sumFloods adds up the results of the flooders and checks the codes of refusals.
func sumFloods(t *testing.T, all []*flooder) floodResult {
	t.Helper()
	total := floodResult{refused: map[domain.Code]int{}}
	var acceptedAt []time.Time
	for _, f := range all {
		total.sent += len(f.sent)
		total.slowest = max(total.slowest, f.slowest)
		acceptedAt = append(acceptedAt, f.acceptedAt...)
		require.Zero(t, f.withoutDelay, "each refusal has a delay")
		for code, count := range f.refused {
			require.Contains(t, []domain.Code{domain.CodeRateLimited, domain.CodeUnavailable}, code)
			total.refused[code] += count
		}
	}
	slices.SortFunc(acceptedAt, time.Time.Compare)
	for i := 1; i < len(acceptedAt); i++ {
		total.pause = max(total.pause, acceptedAt[i].Sub(acceptedAt[i-1]))
	}
	return total
}
