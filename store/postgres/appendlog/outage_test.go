package appendlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres"
	"im/store/postgres/appendlog"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/proxytest"
	"im/test/storetest"
)

// loseAnswer loses the answer that the proxy holds back. First it waits until the request
// has passed, and until done, a query on conn, returns true: the write is committed.
func loseAnswer(t *testing.T, proxy *proxytest.Proxy, passed <-chan struct{}, conn *pgx.Conn, done string, args ...any) {
	t.Helper()
	storetest.Wait(t, passed)
	require.Eventually(t, func() (committed bool) {
		require.NoError(t, conn.QueryRow(t.Context(), done, args...).Scan(&committed))
		return committed
	}, storetest.Deadline, time.Millisecond)
	proxy.Cut()
	proxy.Mend()
}

// I1, I3: the answer to a commit is lost. What was committed is found and
// answered as such; nothing is lost, nothing doubled.
func TestI1AnswerLostAtCommit(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	via, proxy := proxytest.Before(t, url)
	n := storetest.Start(t, via, storetest.OneCommitter)
	id := n.Group(t, "alice", "bob")
	conn := storetest.Connect(t, url)
	for round := range 5 {
		marked := fmt.Sprintf("r%d-7", round)
		passed := proxy.HoldAnswerTo(marked) // only appends have it
		var sendings []*sending
		for i := range 20 {
			sendings = append(sendings, send(t, n, id, fmt.Sprintf("r%d-%d", round, i), "x"))
		}
		added := make(chan error, 1)
		go func() {
			added <- addedOnce(n, id, domain.UserID(fmt.Sprintf("new%d", round)))
		}()
		loseAnswer(t, proxy, passed, conn, `SELECT EXISTS (SELECT FROM events WHERE client_msg_id = $1)`, marked)
		for _, s := range sendings {
			s.accepted(t)
		}
		require.NoError(t, storetest.Wait(t, added))
	}
	require.Len(t, n.Log(t, id), 1+5*21)
	requireToldOfAll(t, n, id, 1+5*21)
}

// addedOnce adds a member. What is given up at the end of its time is tried again, as
// sending.accepted does; by then, the member may be there already.
func addedOnce(n *storetest.Node, id domain.ConversationID, user domain.UserID) error {
	for first := true; ; first = false {
		began := time.Now()
		events, err := n.Chat.AddMembers(context.Background(), storetest.User("alice"), id, []domain.UserID{user}, domain.RoleMember)
		switch {
		case errors.Is(err, domain.ErrUnavailable) && time.Since(began) > appendlog.Patience*3/4:
			continue
		case err == nil && len(events) != 1 && (first || len(events) != 0):
			return fmt.Errorf("%d events of an addition", len(events))
		}
		return err
	}
}

func requireToldOfAll(t *testing.T, n *storetest.Node, id domain.ConversationID, head int64) {
	t.Helper()
	next := int64(1)
	for _, c := range n.Commits(id) {
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
	n := storetest.Start(t, via)
	id := n.Group(t, "alice", "bob")
	accepted := 0
	for round := range 50 {
		var cuts atomic.Int32
		go func() { // sooner or later: once while all is well, and once while it connects again
			for _, after := range []int{round % 10, 20 + round%30} {
				time.Sleep(time.Duration(after) * time.Millisecond)
				proxy.Cut()
				proxy.Mend()
				cuts.Add(1)
			}
		}()
		for over := false; !over; { // the last is sent after both, so that none meets more
			over = cuts.Load() == 2
			send(t, n, id, fmt.Sprint(accepted), "x").accepted(t)
			accepted++
		}
	}
	require.Len(t, n.Log(t, id), 1+accepted)
}

// The server ends the sessions, as it does when it is shut down.
func TestI1SessionsTerminated(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	operator := storetest.Connect(t, n.URL)
	const rounds, each = 12, 60
	for round := range rounds {
		var sendings []*sending
		for i := range each {
			sendings = append(sendings, send(t, n, id, fmt.Sprintf("%d-%d", round, i), "x"))
			if i%20 == 10 {
				_, err := operator.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
					WHERE datname = current_database() AND pid <> pg_backend_pid()`)
				require.NoError(t, err)
			}
		}
		for _, s := range sendings {
			s.accepted(t)
		}
	}
	require.Len(t, n.Log(t, id), 1+rounds*each)
	requireToldOfAll(t, n, id, 1+rounds*each)
}

func TestOutage(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"refused", "frozen"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			via, proxy := proxytest.Before(t, pgtest.New(t))
			n := storetest.Start(t, via, storetest.OwnTimeout)
			id := n.Group(t, "alice", "bob")
			n.Post(t, "alice", id, "before", "x")
			if kind == "refused" {
				proxy.Cut()
			} else {
				proxy.Hold()
			}
			began := time.Now()
			sending := n.Send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: "during", Content: storetest.Text("x")})
			reads := make(chan error, 3)
			go func() {
				_, err := n.Events(context.Background(), storetest.User("alice"), id, domain.Range{Limit: 1})
				reads <- err
			}()
			go func() {
				_, err := n.Sync(context.Background(), domain.SyncQuery{User: "alice", Limit: 1})
				reads <- err
			}()
			go func() {
				title := "t"
				_, _, err := n.Chat.Create(context.Background(), storetest.User("alice"), domain.Creation{
					Kind: domain.Group, Title: &title, Members: []domain.UserID{"zoe"},
				})
				reads <- err
			}()
			require.ErrorIs(t, storetest.Wait(t, sending).Err, domain.ErrUnavailable)
			for range cap(reads) {
				require.ErrorIs(t, storetest.Wait(t, reads), domain.ErrUnavailable)
			}
			require.Less(t, time.Since(began), 2*appendlog.Patience)

			proxy.Mend()
			began = time.Now()
			n.Post(t, "alice", id, "after", "x")
			require.Less(t, time.Since(began), appendlog.AttemptTimeout, "used again soon: no attempt is spent on what was lost")
			began = time.Now()
			_, err := n.Events(t.Context(), storetest.User("alice"), id, domain.Range{Limit: 1})
			require.NoError(t, err)
			require.Less(t, time.Since(began), appendlog.AttemptTimeout)
			again := storetest.Wait(t, n.Send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: "during", Content: storetest.Text("x")}))
			require.NoError(t, again.Err, "the same key may be sent again whatever became of it")
			require.Len(t, n.Log(t, id), 4)
		})
	}
}

// All connections of reads are half-open, and no error reports it. Each read notices it
// when its first attempt ends, and has room for a new connection then.
func TestHalfOpenConnectionsHoldNoPlaces(t *testing.T) {
	t.Parallel()
	via, proxy := proxytest.Before(t, pgtest.New(t))
	n := storetest.Start(t, via, storetest.OneCommitter)
	id := n.Group(t, "alice", "bob")
	const readers = 8 // as many as there are connections
	reads := make(chan error, readers)
	read := func() {
		_, err := n.Events(context.Background(), storetest.User("alice"), id, domain.Range{Limit: 1})
		reads <- err
	}
	all := func() (err error) {
		for range readers {
			go read()
		}
		for range readers {
			err = errors.Join(err, storetest.Wait(t, reads))
		}
		return err
	}
	proxy.Slow(30 * time.Millisecond) // so that each read needs a connection of its own
	eventually.True(t, "all connections are there", func() bool {
		return all() == nil && int(n.DB().Pool.Stat().IdleConns()) == readers
	})
	proxy.Slow(0) // each has half of its time for a new connection, on a busy machine too
	proxy.Lose()
	require.NoError(t, all())
}

// A lock that is held for too long costs its own conversation only.
func TestStuckConversationHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	var said journal
	n := storetest.Start(t, pgtest.New(t), storetest.OneCommitter, said.take)
	locked, free := n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob")
	tx, err := storetest.Connect(t, n.URL).Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM conversations WHERE id = $1 FOR UPDATE`, locked)
	require.NoError(t, err)
	waiting := send(t, n, locked, "m", "x")
	for i := range 10 {
		n.Post(t, "alice", free, fmt.Sprint(i), "x")
	}
	require.Equal(t, 1, said.count("SQLSTATE 55P03"), "one lock timeout, and then it is left aside")
	require.True(t, len(waiting.answer) == 0 || time.Since(waiting.began) > appendlog.Patience*3/4)
	require.NoError(t, tx.Rollback(t.Context()))
	waiting.accepted(t)
	require.Len(t, n.Log(t, locked), 2)
}

// journal is what a store has logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) take(o *postgres.Options) {
	o.Logger = slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

func (j *journal) count(words string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return bytes.Count(j.text.Bytes(), []byte(words))
}

// I9: a node that stops while it sends a batch holds no lock. The server has
// half of the message, and begins nothing.
func TestI9NodeStoppedWhileSendingHoldsNoLock(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	via, proxy := proxytest.Before(t, url)
	stopped, other := storetest.Start(t, via, storetest.OneCommitter), storetest.Start(t, url)
	id := other.Group(t, "alice", "bob")
	stopped.Post(t, "alice", id, "warm", "x")
	watch := storetest.Connect(t, url)
	var committer int32
	require.NoError(t, watch.QueryRow(t.Context(), `SELECT pid FROM pg_stat_activity
		WHERE datname = current_database() AND query LIKE '%im_append_%' AND pid <> pg_backend_pid()`).Scan(&committer))
	proxy.HoldAfter(200_000)
	var sendings []*sending
	for i := range 40 { // more than passes
		sendings = append(sendings, send(t, stopped, id, fmt.Sprint(i), strings.Repeat("x", 20_000)))
	}
	require.Eventually(t, proxy.Held, storetest.Deadline, time.Millisecond)
	other.Post(t, "bob", id, "free", "x")
	eventually.True(t, "its session holds no lock, and did not have to be ended for that", func() (free bool) {
		require.NoError(t, watch.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)
			AND NOT EXISTS (SELECT FROM pg_locks WHERE pid = $1)`, committer).Scan(&free))
		return free
	})
	proxy.Mend()
	for _, s := range sendings {
		s.accepted(t)
	}
	require.Len(t, other.Log(t, id), 1+1+1+40)
}

// A command that the server cannot store fails alone, within a batch.
func TestBadCommandFailsAlone(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t), storetest.OneCommitter)
	id := n.Group(t, "alice", "bob")
	results := make(chan error, 5)
	for i := range cap(results) {
		n.Submit(t.Context(), rawPost{id: id, msgID: fmt.Sprint(i), bad: i == 2}, func(_ domain.Outcome, err error) { results <- err })
	}
	failed := 0
	for range cap(results) {
		if err := storetest.Wait(t, results); err != nil {
			require.ErrorIs(t, err, domain.ErrInternal)
			failed++
		}
	}
	require.Equal(t, 1, failed)
	var order []string
	for _, e := range n.Log(t, id)[1:] {
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
	reader := storetest.Start(t, url)
	id := reader.Group(t, "alice", "bob")
	store, err := postgres.Open(t.Context(), postgres.Options{URL: url, CommandTimeout: storetest.Deadline})
	require.NoError(t, err)
	defer store.Close()
	chat := domain.NewChat(store, domain.DefaultLimits())
	const count = 1000
	answers := make(chan error, count+1)
	for i := range count {
		chat.Send(t.Context(), storetest.User("alice"), domain.Post{ConversationID: id, ClientMsgID: fmt.Sprint(i), Content: storetest.Text("x")},
			func(_ domain.Sent, err error) { answers <- err })
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, store.Run(ctx))
	require.Len(t, answers, count)
	for range count {
		require.NoError(t, <-answers)
	}
	require.Len(t, reader.Log(t, id), 1+count)
	chat.Send(t.Context(), storetest.User("alice"), domain.Post{ConversationID: id, ClientMsgID: "late", Content: storetest.Text("x")},
		func(_ domain.Sent, err error) { answers <- err })
	require.ErrorIs(t, <-answers, domain.ErrUnavailable)
}
