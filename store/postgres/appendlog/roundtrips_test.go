package appendlog_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres"
	"im/store/postgres/internal/pg"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/proxytest"
	"im/test/storetest"
)

// asPooler makes a proxy change the process that the server tells its clients, as poolers
// do. count gets the number of round trips of all connections.
func asPooler(pooler bool, count *atomic.Int64) func([]byte) bool {
	key, done := []byte{'K', 0, 0, 0, 12}, []byte{'Z', 0, 0, 0, 5}
	return func(data []byte) bool {
		if at := bytes.Index(data, key); pooler && at >= 0 && at+len(key) < len(data) {
			data[at+len(key)] ^= 0x7F
		}
		count.Add(int64(bytes.Count(data, done)))
		return false
	}
}

// An append is one round trip, behind a pooler too, where it also carries the settings of
// its transaction. So are a read and the creation of a conversation.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	for name, pooler := range map[string]bool{"to the server itself": false, "to a pooler": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			via, proxy := proxytest.Before(t, pgtest.New(t))
			var trips atomic.Int64
			proxy.CutAnswer(asPooler(pooler, &trips))
			var said journal
			n := storetest.Start(t, via, said.take, func(o *postgres.Options) { o.Readers, o.Committers = 1, 1 })
			require.Equal(t, pooler, said.count("connection pooler") > 0)
			id := n.Group(t, "alice", "bob")
			for what, act := range map[string]func(i int){
				"append": func(i int) { n.Post(t, "alice", id, fmt.Sprint(i), "x") },
				"create": func(int) { n.Group(t, "alice", "bob") },
				"read": func(int) {
					_, err := n.Members(t.Context(), storetest.User("eve"), domain.ConversationID{}, "", 10)
					require.ErrorIs(t, err, domain.ErrNotFound)
				},
			} {
				act(-1) // describes the statements
				least := int64(math.MaxInt64)
				for i := range 20 { // the least: queries of the store's own may be counted too
					before := trips.Load()
					act(i)
					least = min(least, trips.Load()-before)
				}
				require.Equal(t, int64(1), least, what)
			}
		})
	}
}

// cancelRequest is the code of a cancel request.
const cancelRequest = "\x04\xd2\x16\x2e"

// A statement that is given up is canceled in the server, but not through a pooler: a cancel
// request that is closed early makes some poolers crash. There it ends by its timeout.
func TestCancelRequests(t *testing.T) {
	t.Parallel()
	for name, pooler := range map[string]bool{"to the server itself": false, "to a pooler": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.New(t)
			via, proxy := proxytest.Before(t, url)
			proxy.CutAnswer(asPooler(pooler, new(atomic.Int64)))
			n := storetest.Start(t, via)
			id := n.Group(t, "alice", "bob")
			tx, err := storetest.Connect(t, url).Begin(t.Context())
			require.NoError(t, err)
			_, err = tx.Exec(t.Context(), `LOCK TABLE device_cursors`)
			require.NoError(t, err)
			canceled := proxy.CutAnswerTo(cancelRequest)
			short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			err = n.Acknowledge(short, []domain.Ack{{User: "alice", Device: "d", ConversationID: id, Seq: 1}})
			require.ErrorIs(t, err, domain.ErrUnavailable)
			watch := storetest.Connect(t, url)
			eventually.True(t, "the statement ends in the server", func() (ended bool) {
				require.NoError(t, watch.QueryRow(t.Context(), `SELECT NOT EXISTS (SELECT FROM pg_locks l
					WHERE NOT granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&ended))
				return ended
			})
			if pooler {
				select {
				case <-canceled:
					require.Fail(t, "a cancel request was sent to a pooler")
				default:
				}
			} else {
				storetest.Wait(t, canceled)
			}
			require.NoError(t, tx.Rollback(t.Context()))
		})
	}
}

// Whether a pooler is in between is not known before the first answer: nothing is canceled
// until then.
func TestNoCancelRequestWhileConnecting(t *testing.T) {
	t.Parallel()
	for name, connect := range map[string]func(context.Context, *pg.Config){
		"a migration": func(ctx context.Context, c *pg.Config) {
			if session, err := pg.Connect(ctx, c); err == nil {
				session.Close()
			}
		},
		"a node": func(ctx context.Context, c *pg.Config) {
			if db, err := pg.Open(ctx, pg.Options{Config: c, Readers: 1, Logger: slog.New(slog.DiscardHandler)}); err == nil {
				db.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			via, proxy := proxytest.Before(t, pgtest.New(t))
			config, err := pg.ParseURL(via, "im")
			require.NoError(t, err)
			canceled := proxy.CutAnswerTo(cancelRequest)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var given atomic.Bool
			proxy.CutAnswer(func(data []byte) bool {
				if bytes.Contains(data, []byte("replication_role")) { // a column of the first answer
					given.Store(true)
					cancel()
					time.Sleep(100 * time.Millisecond) // the connection is given up before the answer is there
				}
				return false
			})
			connect(ctx, config)
			require.True(t, given.Load())
			select {
			case <-canceled:
				require.Fail(t, "a cancel request was sent")
			case <-time.After(300 * time.Millisecond):
			}
		})
	}
}
