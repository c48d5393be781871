package hook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/hook"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

// reversed answers n calls from the last message to the first: they are all in flight at
// the same time.
func (e *endpoint) reversed(n int, answer func(c call) string) {
	answered := make([]chan struct{}, n+1)
	for i := range answered {
		answered[i] = make(chan struct{})
	}
	close(answered[n])
	e.answers(func(c call, w http.ResponseWriter) {
		var i int
		_, err := fmt.Sscanf(c.Data.ClientMsgID, "m%d", &i)
		if err != nil {
			e.t.Error(err)
		}
		<-answered[i+1]
		_, _ = io.WriteString(w, answer(c))
		w.(http.Flusher).Flush()
		close(answered[i])
	})
}

// The calls for the messages of a sender overlap, and are answered in the opposite order.
// The messages are committed in the order in which they were sent.
func TestOrder(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	n := e.start(t, pgtest.New(t))
	id, _, err := n.Chat.Create(t.Context(), storetest.User("alice"), domain.Creation{Kind: domain.Direct, Members: []domain.UserID{"bob"}})
	require.NoError(t, err)
	const count = 40
	e.reversed(count, func(c call) string {
		if c.text() == "bad" {
			return reject
		}
		return accept
	})
	var answers []<-chan storetest.Answer
	var want []string
	for i := range count {
		p := post(id, fmt.Sprint("m", i), fmt.Sprint("text ", i))
		if i%2 == 0 { // the same conversation, by its other name
			p.ConversationID, p.To = domain.ConversationID{}, "bob"
		}
		if i%5 == 4 {
			p.Content = storetest.Text("bad")
		} else {
			want = append(want, fmt.Sprint("text ", i))
		}
		answers = append(answers, n.Send(context.Background(), "alice", p))
	}
	for i, answer := range answers {
		a := storetest.Wait(t, answer)
		if i%5 == 4 {
			require.ErrorIs(t, a.Err, domain.ErrRejected)
		} else {
			require.NoError(t, a.Err)
		}
	}
	require.Equal(t, want, n.texts(t, id))
}

// A sender uses the memory of a message again, as a socket does for its next frame, while
// the endpoint is still asked.
func TestSendKeepsNothing(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	n := e.start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	overwritten := make(chan struct{})
	e.answers(func(_ call, w http.ResponseWriter) {
		<-overwritten
		_, _ = io.WriteString(w, `{"action":"replace","content":{"type":"text","text":"new"}}`)
	})
	p := post(id, "m1", "old")
	p.Metadata, p.Mentions = json.RawMessage(`{"k":"v"}`), []domain.UserID{"bob"}
	answer := n.Send(context.Background(), "alice", p)
	for _, memory := range [][]byte{p.Content, p.Metadata} {
		for i := range memory {
			memory[i] = '!'
		}
	}
	p.Mentions[0] = "nobody"
	close(overwritten)
	a := storetest.Wait(t, answer)
	require.NoError(t, a.Err)
	require.JSONEq(t, `{"content":{"type":"text","text":"new"},"mentions":["bob"],"metadata":{"k":"v"}}`, string(a.Event.Body))
	require.Equal(t, "old", e.got()[0].text())
	require.NotNil(t, a.Content)
}

// Two messages to a user with whom there is no conversation yet.
func TestOrderOfFirstMessages(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	n := e.start(t, pgtest.New(t))
	e.reversed(6, func(call) string { return accept })
	var answers []<-chan storetest.Answer
	for i := range 6 {
		answers = append(answers, n.Send(context.Background(), "alice", domain.Post{To: "bob", ClientMsgID: fmt.Sprint("m", i), Content: storetest.Text(fmt.Sprint("text ", i))}))
	}
	var id domain.ConversationID
	for _, answer := range answers {
		a := storetest.Wait(t, answer)
		require.NoError(t, a.Err)
		id = a.Event.ConversationID
	}
	require.Equal(t, numbered("text ", 6), n.texts(t, id))
}

// While the endpoint is asked, no lock is held and no transaction is open: others write to
// the same conversation.
func TestNothingWaitsForACall(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	url := pgtest.New(t)
	n := e.start(t, url)
	id := n.Group(t, "alice", "bob", "carol")
	asked, answer := make(chan struct{}), make(chan struct{})
	e.answers(func(c call, w http.ResponseWriter) {
		if c.Data.Sender == "alice" {
			close(asked)
			<-answer
		}
		_, _ = io.WriteString(w, accept)
	})
	waiting := n.Send(context.Background(), "alice", post(id, "m1", "slow"))
	storetest.Wait(t, asked)
	_, err := n.send(t, "bob", post(id, "m1", "quick"))
	require.NoError(t, err)
	n.SetHistory(t, id, domain.HistorySinceJoin)
	var open int
	require.NoError(t, storetest.Connect(t, url).QueryRow(t.Context(),
		`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`).Scan(&open))
	require.Zero(t, open)
	close(answer)
	require.NoError(t, storetest.Wait(t, waiting).Err)
	require.Equal(t, []string{"quick", "slow"}, n.texts(t, id))
}

// No more calls are in flight than the setting says. What finds no place in time has failed.
func TestInFlight(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	url := pgtest.New(t)
	n := e.start(t, url, func(o *hook.Options) { o.InFlight = 3 })
	id := n.Group(t, "alice", "bob")
	var now, most atomic.Int64
	gate := make(chan struct{})
	e.answers(func(_ call, w http.ResponseWriter) {
		at := now.Add(1)
		defer now.Add(-1)
		for seen := most.Load(); at > seen && !most.CompareAndSwap(seen, at); seen = most.Load() {
		}
		<-gate
		_, _ = io.WriteString(w, accept)
	})
	var answers []<-chan storetest.Answer
	for i := range 30 {
		answers = append(answers, n.Send(context.Background(), "alice", post(id, fmt.Sprint("m", i), "x")))
	}
	eventually.True(t, "three calls are in flight", func() bool { return now.Load() >= 3 })
	close(gate)
	for _, answer := range answers {
		require.NoError(t, storetest.Wait(t, answer).Err)
	}
	require.Equal(t, int64(3), most.Load())
	require.Len(t, e.got(), 30)
}

// A call that finds no place in time has failed. It does not count as a failure of the
// endpoint.
func TestBusy(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	url := pgtest.New(t)
	n := e.start(t, url, closed, func(o *hook.Options) { o.InFlight, o.Timeout = 1, 2*time.Second })
	id := n.Group(t, "alice", "bob")
	// The first call takes the only place for as long as a call may take. The others wait for
	// it for the same time: at least the last of them are too late.
	e.hangs()
	var answers []<-chan storetest.Answer
	for i := range 8 {
		answers = append(answers, n.Send(context.Background(), "alice", post(id, fmt.Sprint("m", i), "x")))
	}
	for _, answer := range answers {
		require.ErrorIs(t, storetest.Wait(t, answer).Err, domain.ErrUnavailable)
	}
	require.Positive(t, n.results(t, "busy"))
	require.Empty(t, n.texts(t, id))
}

// A node that stops decides what it has taken, and refuses the rest.
func TestStop(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	n := e.start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	asked, answer := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(answer) })
	t.Cleanup(release)
	e.answers(func(c call, w http.ResponseWriter) {
		if c.Data.Sender == "alice" {
			close(asked)
		}
		<-answer
		_, _ = io.WriteString(w, accept)
	})
	waiting := n.Send(context.Background(), "alice", post(id, "m1", "in flight"))
	storetest.Wait(t, asked)
	stopped := make(chan struct{})
	go func() {
		n.stop()
		close(stopped)
	}()
	// The endpoint would answer no call of bob: what is answered was refused.
	for i := 0; ; i++ {
		a := n.Send(context.Background(), "bob", post(id, fmt.Sprint("late", i), "late"))
		select {
		case got := <-a:
			require.ErrorIs(t, got.Err, domain.ErrUnavailable)
		case <-time.After(50 * time.Millisecond): // it was taken before the stop
			continue
		}
		break
	}
	select {
	case <-stopped:
		require.Fail(t, "it has not waited for the message in flight")
	default:
	}
	release()
	require.NoError(t, storetest.Wait(t, waiting).Err)
	storetest.Wait(t, stopped)
	require.Contains(t, n.texts(t, id), "in flight")
}
