package postgres_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres"
	"im/test/pgtest"
	"im/test/storetest"
)

// newICUDatabase returns the URL of a database whose collation orders texts as people do:
// a before B, B before c.
func newICUDatabase(t *testing.T) string {
	t.Helper()
	admin := pgtest.NewEmpty(t)
	name := "im_test_icu_" + strings.ToLower(rand.Text()[:10])
	conn := storetest.Connect(t, admin)
	_, err := conn.Exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
	require.NoError(t, err, "the server needs ICU, and PostgreSQL 15 or later")
	t.Cleanup(func() {
		conn, err := pgx.Connect(storetest.ContextOf(nil), admin)
		require.NoError(t, err)
		_, err = conn.Exec(storetest.ContextOf(nil), "DROP DATABASE "+name+" WITH (FORCE)")
		require.NoError(t, err)
		require.NoError(t, conn.Close(storetest.ContextOf(nil)))
	})
	u, err := url.Parse(admin)
	require.NoError(t, err)
	u.Path = "/" + name
	return u.String()
}

// The collation of the database changes neither the order of lists nor that of locks.
func TestCollationOfTheDatabaseDoesNotMatter(t *testing.T) {
	t.Parallel()
	u := newICUDatabase(t)
	require.NoError(t, postgres.Migrate(t.Context(), postgres.MigrateOptions{URL: u, Logger: slog.New(slog.DiscardHandler)}))
	require.Equal(t, 1, count(t, u, `SELECT CASE WHEN 'a' < 'B' THEN 1 ELSE 0 END`), "the collation is not the bytes'")

	var said journal
	n, other := storetest.Start(t, u, said.take), storetest.Start(t, u, said.take)
	var users []domain.UserID
	for i := range 100 {
		users = append(users, domain.UserID(fmt.Sprintf("%c%d", "aBcDeF"[i%6], i)))
	}
	id := n.Group(t, users[0], users[1:]...)
	var listed []domain.UserID
	for after, more := "", true; more; {
		page, err := n.Members(t.Context(), storetest.User(users[0]), id, after, 7)
		require.NoError(t, err)
		for _, m := range page.Items {
			listed = append(listed, m.UserID)
		}
		if more = page.NextCursor != nil; more {
			after = *page.NextCursor
		}
	}
	require.True(t, slices.IsSorted(listed), "%v", listed)
	require.Len(t, listed, len(users))

	// Appends lock members, and so do delivery receipts of any node. If they lock them in
	// another order, they wait for each other until a timeout.
	conversations := []domain.ConversationID{id}
	for range 3 {
		conversations = append(conversations, n.Group(t, users[0], users[1:]...))
	}
	var sending, delivering sync.WaitGroup
	var stopped atomic.Bool
	for _, id := range conversations {
		for _, user := range users {
			sending.Go(func() {
				for round := range 15 {
					if a := <-n.Send(t.Context(), user, domain.Post{ConversationID: id, ClientMsgID: fmt.Sprint(round), Content: storetest.Text("x")}); a.Err != nil {
						t.Error(a.Err)
					}
				}
			})
		}
	}
	for worker := range 4 {
		delivering.Go(func() {
			for seq := int64(worker + 1); !stopped.Load(); seq++ {
				var acks []domain.Ack
				for _, id := range conversations {
					for _, user := range users {
						acks = append(acks, domain.Ack{User: user, Device: "d", ConversationID: id, Seq: seq})
					}
				}
				if _, err := other.Deliver(t.Context(), acks); err != nil {
					t.Error(err)
				}
			}
		})
	}
	sending.Wait()
	stopped.Store(true)
	delivering.Wait()
	require.NotRegexp(t, "SQLSTATE (40P01|55P03)", said.String())
	require.Zero(t, count(t, u, `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`))
	requireNoDifference(t, n)
}

// journal is what stores have logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) take(o *postgres.Options) {
	o.Logger = slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}
