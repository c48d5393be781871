package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"im/domain"
)

// long tells whether the overloads are to be as large as they are meant to be:
// IM_LONG=1. They are short ones otherwise.
func shortOrLong[T any](short, long T) T {
	if os.Getenv("IM_LONG") == "1" {
		return long
	}
	return otherwise
}

// resident is how much memory a node has, in MiB.
func (n *testNode) resident() int { return n.memory("VmRSS:") }

// peak is how much memory a node has had at most, in MiB.
func (n *testNode) peak() int { return n.memory("VmHWM:") }

func (n *testNode) memory(name string) int {
	n.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
	require.NoError(n.t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			require.NoError(n.t, err)
			return kib >> 10
		}
	}
	n.t.Fatal("no ", name)
	return 0
}

// most is a bound of memory in MiB; the race detector takes several times as much.
func memoryBound(mib int) int {
	if raceEnabled {
		return 6 * mib
	}
	return mib
}

// join opens a socket as a client does that heeds what it is told: it comes
// again after a refusal that may pass.
func connectWithRetry(url, bearer string, deadline time.Time, tried *int) (*websocket.Conn, error) {
	dialer := websocket.Dialer{Subprotocols: []string{"im.v1"}, HandshakeTimeout: waitTimeout, ReadBufferSize: 1 << 10}
	for pause := 500 * time.Millisecond; ; pause = min(2*pause, 20*time.Second) {
		ws, err := welcome(dialer, url, bearer)
		if err == nil || time.Now().After(deadline) {
			return ws, err
		}
		*tried++
		time.Sleep(rand.N(pause))
	}
}

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

// flooder sends as fast as it may, and notes each answer.
type flooder struct {
	ws      *websocket.Conn
	id      domain.ConversationID
	name    string
	content string

	mu      sync.Mutex
	asked   map[string]time.Time
	sent    map[string]int64 // by client_msg_id
	refused map[domain.Code]int
	taken   []time.Time // when each was accepted
	bare    int         // refusals that name no delay though they should
	slowest time.Duration
}

// flood sends until the end, and returns when everything is answered.
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
	for range inFlight { // all are answered when all turns are free
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

// eventPrefix is how events begin, of which a flooder gets a hundred for each
// answer: decoding them would take the machine from the node, and what was
// measured would be the reader.
var eventPrefix = []byte(`{"type":"event",`)

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
			f.taken = append(f.taken, time.Now())
		} else {
			f.refused[a.Code]++
			if a.Retry == domain.RetryAfter && a.After == 0 {
				f.bare++
			}
		}
		f.mu.Unlock()
		if a.Type == "sent" {
			<-turns
		} else {
			time.AfterFunc(500*time.Millisecond, func() { <-turns }) // or most of the work would be to refuse
		}
	}
}

// flooding is what became of a flood.
type floodResult struct {
	sent    int
	refused map[domain.Code]int
	slowest time.Duration // answer
	pause   time.Duration // the longest during which nothing was accepted of anybody
}

// floodAll lets many send at once, and judges what they were answered: in time,
// with a code that says to come again, and what was accepted is in the log.
func floodAll(t *testing.T, n *testNode, conversations []domain.ConversationID, users []domain.UserID, inFlight, size int, lasts time.Duration) floodResult {
	t.Helper()
	var g errgroup.Group
	all := make([]*flooder, len(users))
	before, end := n.resident(), time.Now().Add(lasts)
	for i, user := range users {
		bearer := userToken(t, user)
		g.Go(func() error {
			var tries int
			ws, err := connectWithRetry(n.url, bearer, time.Now().Add(waitTimeout), &tries)
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
	t.Logf("%d sent, refused %v; the slowest answer after %s, at most %s without one accepted; %d MiB before, %d at most, %d now",
		total.sent, total.refused, total.slowest.Round(time.Millisecond), total.pause.Round(time.Millisecond),
		before, n.peak(), n.resident())
	// 10 s, and what it takes a shared machine to read all that comes before an answer.
	require.Less(t, total.slowest, 40*time.Second)
	requireRecovered(t, n, conversations, users)
	requireAccepted(t, n, users[0], all)
	return total
}

func sumFloods(t *testing.T, all []*flooder) floodResult {
	t.Helper()
	total := floodResult{refused: map[domain.Code]int{}}
	var taken []time.Time
	for _, f := range all {
		total.sent += len(f.sent)
		total.slowest = max(total.slowest, f.slowest)
		taken = append(taken, f.taken...)
		require.Zero(t, f.bare, "a delay is named")
		for code, count := range f.refused {
			require.Contains(t, []domain.Code{domain.CodeRateLimited, domain.CodeUnavailable}, code)
			total.refused[code] += count
		}
	}
	slices.SortFunc(taken, time.Time.Compare)
	for i := 1; i < len(taken); i++ {
		total.pause = max(total.pause, taken[i].Sub(taken[i-1]))
	}
	return total
}

// requireRecovered waits until each conversation takes messages again.
func requireRecovered(t *testing.T, n *testNode, conversations []domain.ConversationID, users []domain.UserID) {
	t.Helper()
	began := time.Now()
	probe := connect(t, n.url, users[0], "probe")
	defer func() { _ = probe.ws.Close() }()
	for i, id := range conversations {
		require.Eventually(t, func() bool { return probe.post(id, fmt.Sprint("after-", i), "x").Code == "" }, waitTimeout, 100*time.Millisecond)
	}
	t.Logf("all is well again after %s", time.Since(began).Round(time.Millisecond))
}

// requireAccepted reads the logs: dense, and each accepted message at the seq that
// was answered.
func requireAccepted(t *testing.T, n *testNode, user domain.UserID, all []*flooder) {
	t.Helper()
	accepted := make(map[domain.ConversationID]map[string]int64)
	for _, f := range all {
		if accepted[f.id] == nil {
			accepted[f.id] = map[string]int64{}
		}
		maps.Copy(accepted[f.id], f.sent)
	}
	for id, own := range accepted {
		reader := connect(t, n.url, user, "reader")
		events := reader.history(id)
		_ = reader.ws.Close()
		requireDense(t, events, 1)
		for _, e := range events {
			if seq, ok := own[e.ClientMsgID]; ok {
				require.Equal(t, seq, e.Seq)
				delete(own, e.ClientMsgID)
			}
		}
		require.Empty(t, own, "accepted and lost")
	}
}

func names(prefix string, n int) (users []domain.UserID) {
	for i := range n {
		users = append(users, domain.UserID(fmt.Sprint(prefix, i)))
	}
	return users
}

// TestOverload: PostgreSQL is slow, and a hundred sockets ask for as much as
// they may. Everything is answered in time, memory stays, nothing accepted is
// lost, and all is well as soon as PostgreSQL is.
func TestOverload(t *testing.T) {
	c := newSequentialCluster(t)
	n := c.node("one")
	users := names("u", shortOrLong(40, 100))
	conversations := make([]domain.ConversationID, 10)
	for i := range conversations {
		conversations[i] = n.group(users[i], slices.Concat(users[:i], users[i+1:])...)
	}
	c.postgres.Slow(shortOrLong(20*time.Millisecond, 50*time.Millisecond))
	mended := time.AfterFunc(shortOrLong(4*time.Second, time.Minute), c.postgres.Mend)
	defer mended.Stop()
	flooded := floodAll(t, n, conversations, users, 80, 2_000, shortOrLong(5*time.Second, 61*time.Second))
	require.Positive(t, flooded.sent)
	require.Less(t, flooded.pause, 20*time.Second, "some are accepted all the time")
	require.Less(t, n.resident(), memoryBound(600))
}

// TestOneConversation: everyone writes to one conversation at once.
func TestOneConversation(t *testing.T) {
	c := newSequentialCluster(t)
	n := c.node("one")
	users := names("u", shortOrLong(100, 200))
	id := n.group(users[0], users[1:]...)
	flooded := floodAll(t, n, []domain.ConversationID{id}, users, 2, 100, shortOrLong(3*time.Second, 30*time.Second))
	require.Greater(t, flooded.sent, len(users))
	require.Less(t, n.resident(), memoryBound(600))
}

// TestReconnectStorm: very many connect at once, as after the end of another
// node, and all are in within seconds.
func TestReconnectStorm(t *testing.T) {
	c := newSequentialCluster(t)
	n := c.node("one")
	clients := shortOrLong(1000, 5000)
	var g errgroup.Group
	deadline := time.Now().Add(2 * waitTimeout)
	tries := make([]int, clients)
	began := time.Now()
	for i := range clients {
		bearer := userToken(t, domain.UserID(fmt.Sprint("u", i)))
		g.Go(func() error {
			ws, err := connectWithRetry(n.url, bearer, deadline, &tries[i])
			if err == nil {
				t.Cleanup(func() { _ = ws.Close() })
			}
			return err
		})
	}
	require.NoError(t, g.Wait())
	again := 0
	for _, n := range tries {
		again += n
	}
	t.Logf("%d clients after %s, %d had to come again, %d MiB", clients, time.Since(began).Round(time.Millisecond), again, n.resident())
	require.Less(t, n.resident(), memoryBound(shortOrLong(300, 800)))
	status, _ := n.call("u0", "GET", "/v1/sync", nil)
	require.Equal(t, http.StatusOK, status)
}

// TestReadersThatDoNotRead: they cost the node a bounded buffer each, and nobody
// else anything.
func TestReadersThatDoNotRead(t *testing.T) {
	c := newSequentialCluster(t)
	n := c.node("one")
	users := names("u", shortOrLong(200, 1000))
	id := n.create("alice", map[string]any{"kind": "group", "members": append(users[:99:99], "bob")})
	for at := 99; at < len(users); at += 400 {
		status, body := n.call("alice", "POST", "/v1/conversations/"+id.String()+"/members", map[string]any{"user_ids": users[at:min(at+400, len(users))]})
		require.Equal(t, http.StatusOK, status, "%s", body)
	}
	var g errgroup.Group
	for _, user := range users {
		bearer := userToken(t, user)
		g.Go(func() error {
			var tries int
			ws, err := connectWithRetry(n.url, bearer, time.Now().Add(waitTimeout), &tries)
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = ws.Close() })
			return ws.NetConn().(*net.TCPConn).SetReadBuffer(4 << 10)
		})
	}
	require.NoError(t, g.Wait())
	alice, bob := connect(t, n.url, "alice", "phone"), connect(t, n.url, "bob", "phone")
	words := strings.Repeat("x", 30_000)
	last := sent{}
	for i := range shortOrLong(150, 600) {
		last = alice.post(id, fmt.Sprint(i), words)
		require.Empty(t, last.Code)
	}
	events := bob.waitEvent(id, last.Seq)
	requireDense(t, events, events[0].Seq)
	t.Logf("%d MiB", n.resident())
	require.Less(t, n.resident(), memoryBound(shortOrLong(400, 1500)))
}
