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
	"im/test/pgtest"
	"im/test/proxytest"
	"im/test/storetest"
)

// crowd is how many ask at the same time: they share queries.
const crowd = 40

// atOnce has a crowd do something, each a number of times.
func atOnce(t *testing.T, times int, do func(who, round int) error) {
	t.Helper()
	var all errgroup.Group
	for who := range crowd {
		all.Go(func() error {
			for round := range times {
				if err := do(who, round); err != nil {
					return fmt.Errorf("%d in round %d: %w", who, round, err)
				}
			}
			return nil
		})
	}
	require.NoError(t, all.Wait())
}

func named(who int) domain.UserID { return domain.UserID(fmt.Sprint("u", who)) }

func TestCrowdSharesQueries(t *testing.T) {
	t.Parallel()
	via, proxy := proxytest.Before(t, pgtest.New(t))
	n := storetest.Start(t, via)
	proxy.Slow(50 * time.Millisecond)
	for name, ask := range map[string]func(who, round int) error{
		"revocations": func(who, _ int) error { _, err := n.RevokedBefore(t.Context(), named(who)); return err },
		"admissions":  func(who, _ int) error { _, err := n.Admit(t.Context(), named(who)); return err },
		"memberships": func(who, _ int) error { _, err := n.Memberships(t.Context(), named(who)); return err },
	} {
		require.Eventually(t, func() bool { // on a busy machine not all come at once
			before := n.DB().Pool.Stat().AcquireCount()
			atOnce(t, 1, ask)
			return n.DB().Pool.Stat().AcquireCount()-before < crowd/2
		}, storetest.Deadline, time.Millisecond, name)
	}
}

// A revocation that was committed before it is asked for is seen, whoever else asks.
func TestRevocationsAreSeenByACrowd(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	n, other := storetest.Start(t, url), storetest.Start(t, url)
	atOnce(t, 20, func(who, _ int) error {
		user := named(who % 10)
		var revoked time.Time
		if who%2 == 0 {
			var err error
			if revoked, err = other.Revoke(t.Context(), user); err != nil {
				return err
			}
		}
		before, err := n.RevokedBefore(t.Context(), user)
		if err != nil {
			return err
		}
		admitted, err := n.Admit(t.Context(), user)
		if err != nil {
			return err
		}
		read, err := n.Memberships(t.Context(), user)
		for _, before := range []time.Time{before, admitted.RevokedBefore, read.RevokedBefore} {
			if err == nil && (before.Before(revoked) || before.IsZero() != (who%2 == 1)) {
				err = fmt.Errorf("%s, revoked at %s", before, revoked)
			}
		}
		return err
	})
}

// Each gets a number of its own, above all that anybody had when it was asked for.
func TestSessionNumbersAscendForACrowd(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	nodes := []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url)}
	var mu sync.Mutex
	numbers, highest := map[int64]bool{}, int64(0)
	atOnce(t, 25, func(who, _ int) error {
		mu.Lock()
		before := highest
		mu.Unlock()
		given, err := nodes[who%2].Admit(t.Context(), named(who))
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

// Each gets its own conversations, with what was committed before it asked.
func TestMembershipsOfACrowd(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	epoch, err := n.Epoch(t.Context())
	require.NoError(t, err)
	want := make([][]domain.Membership, crowd)
	for who := range want {
		for range who % 4 { // of every fourth there are none
			id := n.Group(t, "alice", named(who))
			want[who] = append(want[who], domain.Membership{ConversationID: id, HeadSeq: 1, JoinedSeq: 1})
		}
	}
	for who, list := range want {
		if who%3 == 0 && len(list) > 1 {
			n.SetSettings(t, list[0].ConversationID, domain.SettingsPatch{History: new(domain.HistorySinceJoin)})
			list[0].HeadSeq, list[0].SinceJoin = 2, true
		}
	}
	atOnce(t, 8, func(who, round int) error {
		for i := range want[who] {
			m := &want[who][i]
			a := <-n.Send(t.Context(), named(who), domain.Post{
				ConversationID: m.ConversationID, ClientMsgID: fmt.Sprint(round), Content: storetest.Text("x"),
			})
			if a.Err != nil {
				return a.Err
			}
			m.HeadSeq++
		}
		read, err := n.Memberships(t.Context(), named(who))
		if err != nil {
			return err
		}
		if read.Epoch != epoch {
			return fmt.Errorf("epoch %s", read.Epoch)
		}
		return same(want[who], read.List)
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

// terminate ends all other sessions of the operator's database, and returns what tells
// whether they have ended: those that the machine has no time for go on for a while.
func terminate(t *testing.T, operator *pgx.Conn) (ended func() bool) {
	t.Helper()
	var pids []int32
	require.NoError(t, operator.QueryRow(t.Context(), `
		SELECT array_agg(pid) FILTER (WHERE told) FROM (
			SELECT pid, pg_terminate_backend(pid) AS told FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()
			OFFSET 0
		) sessions`).Scan(&pids))
	return func() (over bool) {
		require.NoError(t, operator.QueryRow(t.Context(),
			`SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = ANY ($1))`, pids).Scan(&over))
		return over
	}
}

// A connection that is lost under a query that many share costs none of them the
// answer.
func TestCrowdOutlastsLostConnections(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	operator := storetest.Connect(t, n.URL)
	for range 20 {
		// A read is tried twice, so it outlasts one loss: all that it meets are connections
		// of now, which are lost once.
		n.DB().Pool.Reset()
		require.NoError(t, hello(n, "alice", 0))
		var all errgroup.Group
		for who := range crowd {
			all.Go(func() error { return hello(n, named(who), 0) })
		}
		ended := terminate(t, operator)
		require.NoError(t, all.Wait())
		require.Eventually(t, ended, storetest.Deadline, time.Millisecond)
	}
}

// While the database is away all of a crowd are told so in time, and afterwards it
// is used again.
func TestCrowdDuringAnOutage(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]func(*proxytest.Proxy){"refused": (*proxytest.Proxy).Cut, "frozen": (*proxytest.Proxy).Hold} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			via, proxy := proxytest.Before(t, pgtest.New(t))
			n := storetest.Start(t, via, func(o *postgres.Options) { o.Readers = 4 })
			require.NoError(t, hello(n, "alice", 0))
			away(proxy)
			began := time.Now()
			var all sync.WaitGroup
			for who := range crowd {
				all.Go(func() {
					if err := hello(n, named(who), 0); !errors.Is(err, domain.ErrUnavailable) {
						t.Error(err)
					}
				})
			}
			all.Wait()
			require.Less(t, time.Since(began), 2*pg.Attempts*pg.AttemptTimeout)
			proxy.Mend()
			atOnce(t, 2, func(who, _ int) error { return hello(n, named(who), 0) })
		})
	}
}
