package users_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"im/domain"
	"im/store/postgres"
	"im/store/postgres/internal/pg"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/proxytest"
	"im/test/storetest"
)

// callers is the number of goroutines that read at the same time, and so share queries.
const callers = 40

// concurrently calls do in each of callers goroutines, a number of times.
func concurrently(t *testing.T, times int, do func(caller, round int) error) {
	t.Helper()
	var all errgroup.Group
	for caller := range callers {
		all.Go(func() error {
			for round := range times {
				if err := do(caller, round); err != nil {
					return fmt.Errorf("caller %d in round %d: %w", caller, round, err)
				}
			}
			return nil
		})
	}
	require.NoError(t, all.Wait())
}

func userOf(caller int) domain.UserID { return domain.UserID(fmt.Sprint("u", caller)) }

func TestConcurrentLookupsShareQueries(t *testing.T) {
	t.Parallel()
	via, proxy := proxytest.Before(t, pgtest.New(t))
	n := storetest.Start(t, via)
	proxy.Slow(50 * time.Millisecond)
	for name, ask := range map[string]func(caller, round int) error{
		"revocations": func(caller, _ int) error { _, err := n.StandingOf(t.Context(), userOf(caller)); return err },
		"admissions":  func(caller, _ int) error { _, err := n.Admit(t.Context(), userOf(caller)); return err },
		"memberships": func(caller, _ int) error { _, err := n.Memberships(t.Context(), userOf(caller)); return err },
	} {
		eventually.True(t, "shared queries of "+name, func() bool { // a busy machine may start some goroutines late
			before := n.DB().Pool.Stat().AcquireCount()
			concurrently(t, 1, ask)
			return n.DB().Pool.Stat().AcquireCount()-before < callers/2
		})
	}
}

// A lookup sees every revocation that was committed before it, also in a shared query.
func TestConcurrentLookupsSeeRevocations(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n, other := storetest.Start(t, url), storetest.Start(t, url)
	concurrently(t, 20, func(caller, _ int) error {
		user := userOf(caller % 10)
		var revoked time.Time
		if caller%2 == 0 {
			var err error
			if revoked, err = other.Revoke(t.Context(), user); err != nil {
				return err
			}
		}
		standing, err := n.StandingOf(t.Context(), user)
		if err != nil {
			return err
		}
		admitted, err := n.Admit(t.Context(), user)
		if err != nil {
			return err
		}
		read, err := n.Memberships(t.Context(), user)
		for _, before := range []time.Time{standing.RevokedBefore, admitted.Standing.RevokedBefore, read.Standing.RevokedBefore} {
			if err == nil && (before.Before(revoked) || before.IsZero() != (caller%2 == 1)) {
				err = fmt.Errorf("%s, revoked at %s", before, revoked)
			}
		}
		return err
	})
}

// Each session gets a number of its own, above all numbers that were given out before.
func TestConcurrentSessionNumbersAscend(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url)}
	var mu sync.Mutex
	numbers, highest := map[int64]bool{}, int64(0)
	concurrently(t, 25, func(caller, _ int) error {
		mu.Lock()
		before := highest
		mu.Unlock()
		given, err := nodes[caller%2].Admit(t.Context(), userOf(caller))
		number := given.Number
		mu.Lock()
		defer mu.Unlock()
		if err == nil && (number <= before || numbers[number]) {
			err = fmt.Errorf("%d after %d", number, before)
		}
		numbers[number], highest = true, max(highest, number)
		return err
	})
}

// Each caller gets the conversations of its user, as of the call or later.
func TestConcurrentMemberships(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	epoch, err := n.Epoch(t.Context())
	require.NoError(t, err)
	want := make([][]domain.Membership, callers)
	for caller := range want {
		for range caller % 4 { // every fourth user has none
			id := n.Group(t, "alice", userOf(caller))
			want[caller] = append(want[caller], domain.Membership{ConversationID: id, HeadSeq: 1, JoinedSeq: 1})
		}
	}
	for caller, list := range want {
		if caller%3 == 0 && len(list) > 1 {
			n.SetSettings(t, list[0].ConversationID, domain.SettingsPatch{History: new(domain.HistorySinceJoin)})
			list[0].HeadSeq, list[0].SinceJoin = 2, true
		}
	}
	concurrently(t, 8, func(caller, round int) error {
		for i := range want[caller] {
			m := &want[caller][i]
			a := <-n.Send(t.Context(), userOf(caller), domain.Post{
				ConversationID: m.ConversationID, ClientMsgID: fmt.Sprint(round), Content: storetest.Text("x"),
			})
			if a.Err != nil {
				return a.Err
			}
			m.HeadSeq++
		}
		read, err := n.Memberships(t.Context(), userOf(caller))
		if err != nil {
			return err
		}
		if read.Epoch != epoch {
			return fmt.Errorf("epoch %s", read.Epoch)
		}
		return same(want[caller], read.List)
	})
}

func same(want, list []domain.Membership) error {
	found := map[domain.Membership]bool{}
	for _, m := range list {
		found[m] = true
	}
	for _, m := range want {
		if !found[m] {
			return fmt.Errorf("%v is not in %v", m, list)
		}
	}
	if len(list) != len(want) {
		return fmt.Errorf("%d instead of %d", len(list), len(want))
	}
	return nil
}

// terminate terminates all other sessions of the operator's database. The function that it
// returns reports whether they have ended: on a busy machine that takes a while.
func terminate(t *testing.T, operator *pgx.Conn) (ended func() bool) {
	t.Helper()
	var pids []int32
	require.NoError(t, operator.QueryRow(t.Context(), `
		SELECT array_agg(pid) FILTER (WHERE signaled) FROM (
			SELECT pid, pg_terminate_backend(pid) AS signaled FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()
			OFFSET 0
		) sessions`).Scan(&pids))
	return func() (over bool) {
		require.NoError(t, operator.QueryRow(t.Context(),
			`SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = ANY ($1))`, pids).Scan(&over))
		return over
	}
}

// If the connection of a shared query is lost, all its callers still get their answers.
func TestConcurrentLookupsSurviveLostConnections(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	operator := storetest.Connect(t, n.URL)
	for range 20 {
		// A read is attempted twice, so that it survives one lost connection. After the
		// reset no connection is older than this round, in which each is lost only once.
		n.DB().Pool.Reset()
		require.NoError(t, hello(n, "alice", 0))
		var all errgroup.Group
		for caller := range callers {
			all.Go(func() error { return hello(n, userOf(caller), 0) })
		}
		ended := terminate(t, operator)
		require.NoError(t, all.Wait())
		eventually.True(t, "terminated sessions", ended)
	}
}

// While the database cannot be reached all callers get an error in time. Afterwards it is
// used again.
func TestConcurrentLookupsDuringAnOutage(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(*proxytest.Proxy){"refused": (*proxytest.Proxy).Cut, "frozen": (*proxytest.Proxy).Hold} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			via, proxy := proxytest.Before(t, pgtest.New(t))
			n := storetest.Start(t, via, func(o *postgres.Options) { o.Readers = 4 })
			require.NoError(t, hello(n, "alice", 0))
			cut(proxy)
			began := time.Now()
			var all sync.WaitGroup
			for caller := range callers {
				all.Go(func() {
					if err := hello(n, userOf(caller), 0); !errors.Is(err, domain.ErrUnavailable) {
						t.Error(err)
					}
				})
			}
			all.Wait()
			require.Less(t, time.Since(began), 2*pg.Attempts*pg.AttemptTimeout)
			proxy.Mend()
			concurrently(t, 2, func(caller, _ int) error { return hello(n, userOf(caller), 0) })
		})
	}
}
