package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/proxytest"
	"im/store/postgres"
	"im/store/postgres/pgtest"
)

// completed matches the server's answers to a statement with that command tag.
func completed(tag string) func([]byte) bool {
	message := append([]byte{'C', 0, 0, 0, byte(4 + len(tag) + 1)}, tag...)
	return func(data []byte) bool { return bytes.Contains(data, append(message, 0)) }
}

func one(o *postgres.Options) { o.Committers = 1 }

// I1, I3: the answer to a commit is lost. What was committed is found and
// answered as such; nothing is lost, nothing doubled.
func TestI1AnswerLostAtCommit(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	via, proxy := proxytest.Before(t, url)
	n := start(t, via, one)
	id := n.group(t, "alice", "bob")
	for round := range 5 {
		n.post(t, "alice", id, fmt.Sprintf("warm%d", round), "x") // only the append is left to be answered
		var cut atomic.Bool
		match := completed("SELECT 1")
		proxy.CutAnswer(func(data []byte) bool {
			hit := match(data)
			if hit {
				cut.Store(true)
			}
			return hit
		})
		var answers []<-chan answer
		for i := range 20 {
			answers = append(answers, n.send(t.Context(), "alice", domain.Post{
				ConversationID: id, ClientMsgID: fmt.Sprintf("r%d-%d", round, i), Content: text("x"),
			}))
		}
		added := make(chan error, 1)
		go func() {
			events, err := n.chat.AddMembers(context.Background(), user("alice"), id,
				[]domain.UserID{domain.UserID(fmt.Sprintf("new%d", round))}, domain.RoleMember)
			if err == nil && len(events) != 1 {
				err = fmt.Errorf("%d events of an addition", len(events))
			}
			added <- err
		}()
		for i, c := range answers {
			a := wait(t, c)
			require.NoError(t, a.err)
			require.False(t, a.Duplicate, "what an attempt of one's own wrote is no duplicate")
			require.Equal(t, fmt.Sprintf("r%d-%d", round, i), a.Event.ClientMsgID)
		}
		require.NoError(t, wait(t, added))
		require.True(t, cut.Load(), "the test cut nothing")
	}
	require.Len(t, n.log(t, id), 1+5*22)
	requireToldOfAll(t, n, id, 1+5*22)
}

func requireToldOfAll(t *testing.T, n *node, id domain.ConversationID, head int64) {
	t.Helper()
	next := int64(1)
	for _, c := range n.told(id) {
		for _, e := range c.Events {
			require.Equal(t, next, e.Seq)
			next++
		}
	}
	require.Equal(t, head, next-1)
}

// The connection goes before the server has got the batch: it is sent again.
func TestI1ConnectionCutAgainAndAgain(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	via, proxy := proxytest.Before(t, url)
	n := start(t, via)
	id := n.group(t, "alice", "bob")
	stop := make(chan struct{})
	cutting := make(chan struct{})
	go func() {
		defer close(cutting)
		for {
			select {
			case <-stop:
				return
			case <-time.After(30 * time.Millisecond):
				proxy.Cut()
				proxy.Mend()
			}
		}
	}()
	accepted := 0
	for i := range 150 {
		a := wait(t, n.send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: fmt.Sprint(i), Content: text("x")}))
		require.NoError(t, a.err)
		require.False(t, a.Duplicate)
		accepted++
	}
	close(stop)
	<-cutting
	require.Len(t, n.log(t, id), 1+accepted)
}

// The server ends the sessions, as it does when it is shut down.
func TestI1SessionsTerminated(t *testing.T) {
	t.Parallel()
	n := start(t, pgtest.New(t))
	id := n.group(t, "alice", "bob")
	operator := connect(t, n.url)
	const rounds, each = 12, 60
	for round := range rounds {
		var answers []<-chan answer
		for i := range each {
			answers = append(answers, n.send(t.Context(), "alice", domain.Post{
				ConversationID: id, ClientMsgID: fmt.Sprintf("%d-%d", round, i), Content: text("x"),
			}))
			if i%20 == 10 {
				_, err := operator.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
					WHERE datname = current_database() AND pid <> pg_backend_pid()`)
				require.NoError(t, err)
			}
		}
		for _, c := range answers {
			a := wait(t, c)
			require.NoError(t, a.err)
			require.False(t, a.Duplicate)
		}
	}
	require.Len(t, n.log(t, id), 1+rounds*each)
	requireToldOfAll(t, n, id, 1+rounds*each)
}

func TestOutage(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"refused", "frozen"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			via, proxy := proxytest.Before(t, pgtest.New(t))
			n := start(t, via)
			id := n.group(t, "alice", "bob")
			n.post(t, "alice", id, "before", "x")
			if kind == "refused" {
				proxy.Cut()
			} else {
				proxy.Hold()
			}
			began := time.Now()
			sending := n.send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: "during", Content: text("x")})
			reads := make(chan error, 3)
			go func() {
				_, err := n.Events(context.Background(), user("alice"), id, domain.Range{Limit: 1})
				reads <- err
			}()
			go func() {
				_, err := n.Sync(context.Background(), domain.SyncQuery{User: "alice", Limit: 1})
				reads <- err
			}()
			go func() {
				title := "t"
				_, _, err := n.chat.Create(context.Background(), user("alice"), domain.Creation{
					Kind: domain.Group, Title: &title, Members: []domain.UserID{"zoe"},
				})
				reads <- err
			}()
			require.ErrorIs(t, wait(t, sending).err, domain.ErrUnavailable)
			for range cap(reads) {
				require.ErrorIs(t, wait(t, reads), domain.ErrUnavailable)
			}
			require.Less(t, time.Since(began), 10*time.Second)

			proxy.Mend()
			began = time.Now()
			n.post(t, "alice", id, "after", "x")
			require.Less(t, time.Since(began), 2*time.Second, "used again within 2 s")
			began = time.Now()
			_, err := n.Events(t.Context(), user("alice"), id, domain.Range{Limit: 1})
			require.NoError(t, err)
			require.Less(t, time.Since(began), 2*time.Second)
			again := wait(t, n.send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: "during", Content: text("x")}))
			require.NoError(t, again.err, "the same key may be sent again whatever became of it")
			require.Len(t, n.log(t, id), 4)
		})
	}
}

// All connections of reads are half-open, and nothing tells of it: each read finds
// out after its first attempt, and has room for a new connection then.
func TestHalfOpenConnectionsHoldNoPlaces(t *testing.T) {
	t.Parallel()
	via, proxy := proxytest.Before(t, pgtest.New(t))
	n := start(t, via, one)
	id := n.group(t, "alice", "bob")
	const readers = 8 // as many as there are connections
	reads := make(chan error, readers)
	read := func() {
		_, err := n.Events(context.Background(), user("alice"), id, domain.Range{Limit: 1})
		reads <- err
	}
	proxy.Slow(100 * time.Millisecond) // so that each read needs a connection of its own
	for round := range 2 {
		for range readers {
			go read()
		}
		if round == 1 {
			time.Sleep(50 * time.Millisecond) // they are on their way
			proxy.Lose()
		}
		for range readers {
			require.NoError(t, wait(t, reads), "round %d", round)
		}
	}
}

// A lock that is held for too long costs its own conversation only.
func TestStuckConversationHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	n := start(t, pgtest.New(t), one)
	stuck, free := n.group(t, "alice", "bob"), n.group(t, "alice", "bob")
	tx, err := connect(t, n.url).Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM conversations WHERE id = $1 FOR UPDATE`, stuck)
	require.NoError(t, err)
	waiting := n.send(t.Context(), "alice", domain.Post{ConversationID: stuck, ClientMsgID: "m", Content: text("x")})
	began := time.Now()
	for i := range 20 {
		n.post(t, "alice", free, fmt.Sprint(i), "x")
	}
	require.Less(t, time.Since(began), 4*time.Second, "one lock timeout, and then it is left aside")
	require.Empty(t, waiting)
	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, wait(t, waiting).err)
	require.Len(t, n.log(t, stuck), 2)
}

// I9: a node that stops while it sends a batch holds no lock. The server has
// half of the message, and begins nothing.
func TestI9NodeStoppedWhileSendingHoldsNoLock(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	via, proxy := proxytest.Before(t, url)
	stopped, other := start(t, via, one), start(t, url)
	id := other.group(t, "alice", "bob")
	stopped.post(t, "alice", id, "warm", "x")
	proxy.HoldAfter(200_000)
	var answers []<-chan answer
	for i := range 40 { // more than passes
		answers = append(answers, stopped.send(t.Context(), "alice", domain.Post{
			ConversationID: id, ClientMsgID: fmt.Sprint(i), Content: text(string(bytes.Repeat([]byte("x"), 20_000))),
		}))
	}
	require.Eventually(t, proxy.Held, deadline, time.Millisecond)
	began := time.Now()
	other.post(t, "bob", id, "free", "x")
	require.Less(t, time.Since(began), time.Second, "nobody waits for the node that was stopped")
	proxy.Mend()
	for _, c := range answers {
		require.NoError(t, wait(t, c).err)
	}
	require.Len(t, other.log(t, id), 1+1+1+40)
}

// A command that the server cannot store fails alone, within a batch.
func TestBadCommandFailsAlone(t *testing.T) {
	t.Parallel()
	n := start(t, pgtest.New(t), one)
	id := n.group(t, "alice", "bob")
	results := make(chan error, 5)
	for i := range cap(results) {
		n.Submit(t.Context(), rawPost{id: id, msgID: fmt.Sprint(i), bad: i == 2}, func(_ domain.Outcome, err error) { results <- err })
	}
	failed := 0
	for range cap(results) {
		if err := wait(t, results); err != nil {
			require.ErrorIs(t, err, domain.ErrInternal)
			failed++
		}
	}
	require.Equal(t, 1, failed)
	var order []string
	for _, e := range n.log(t, id)[1:] {
		order = append(order, e.ClientMsgID)
	}
	require.Equal(t, []string{"0", "1", "3", "4"}, order)
}

// rawPost posts what no validated command would.
type rawPost struct {
	id    domain.ConversationID
	msgID string
	bad   bool
}

func (p rawPost) Target() domain.ConversationID { return p.id }
func (p rawPost) Size() int                     { return 100 }

func (p rawPost) Key() (domain.IdempotencyKey, bool) {
	return domain.IdempotencyKey{Sender: "alice", ClientMsgID: p.msgID}, true
}

func (p rawPost) Decide(*domain.Conversation) ([]domain.Draft, error) {
	body := `{"content":{}}`
	if p.bad {
		body = `{"content":`
	}
	return []domain.Draft{{Type: domain.MessagePosted, Sender: "alice", ClientMsgID: p.msgID, Body: []byte(body)}}, nil
}

func TestRunFlushesWhatWasTaken(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	reader := start(t, url)
	id := reader.group(t, "alice", "bob")
	store, err := postgres.Open(t.Context(), postgres.Options{URL: url})
	require.NoError(t, err)
	defer store.Close()
	chat := domain.NewChat(store, domain.DefaultLimits())
	const count = 3000
	answers := make(chan error, count+1)
	for i := range count {
		chat.Send(t.Context(), user("alice"), domain.Post{ConversationID: id, ClientMsgID: fmt.Sprint(i), Content: text("x")},
			func(_ domain.Sent, err error) { answers <- err })
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, store.Run(ctx))
	require.Len(t, answers, count)
	for range count {
		require.NoError(t, <-answers)
	}
	require.Len(t, reader.log(t, id), 1+count)
	chat.Send(t.Context(), user("alice"), domain.Post{ConversationID: id, ClientMsgID: "late", Content: text("x")},
		func(_ domain.Sent, err error) { answers <- err })
	require.ErrorIs(t, <-answers, domain.ErrUnavailable)
}
