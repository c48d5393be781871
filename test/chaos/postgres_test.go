package chaos

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/tools/verify"
)

// startPostgres starts the server again and points the proxies to it.
func (s *scenario) startPostgres() {
	require.NoError(s.t, shared.postgres.start())
	s.retargetPostgres()
}

// TestPostgreSQL: without PostgreSQL, sends are answered unavailable and sockets stay
// open. Afterwards the cluster recovers without help.
func TestPostgreSQL(t *testing.T) {
	s := newScenario(t, 2, shortOrLong(28*time.Second, 4*time.Minute), func(o *verify.Options) {
		// A member who is added just before an outage of 20 s is notified after it.
		o.CompleteWithin = shortOrLong(o.CompleteWithin, 40*time.Second)
	})
	duration := shortOrLong(3*time.Second, 20*time.Second)
	s.inject(fault{
		name: "PostgreSQL stopped and started", duration: duration,
		begin: func() { require.NoError(t, shared.postgres.stop()) }, end: s.startPostgres,
	})
	s.inject(fault{
		name: "PostgreSQL's postmaster killed (kill -9), and started", duration: duration,
		begin: func() { require.NoError(t, shared.postgres.kill()) }, end: s.startPostgres,
	})
	s.inject(fault{
		name: "PostgreSQL: connections cut", duration: duration,
		begin: s.each(func(n *node) { n.postgres.Cut() }), end: s.each(func(n *node) { n.postgres.Mend() }),
	})
	s.inject(fault{
		name: "PostgreSQL: network interrupted, packets held", duration: duration,
		begin: s.each(func(n *node) { n.postgres.Hold() }), end: s.each(func(n *node) { n.postgres.Mend() }),
	})
	// The nodes notice the loss only by their timeouts.
	s.inject(fault{
		name: "PostgreSQL: connections half-open, all packets dropped", duration: duration,
		begin: s.each(func(n *node) { n.postgres.Lose() }), end: s.each(func(n *node) { n.postgres.Mend() }),
		within: slack * 5 * time.Second,
	})
	s.requireNoBreach()
}

// TestPostgreSQLDegraded: PostgreSQL is slow, cannot write, or loses answers.
func TestPostgreSQLDegraded(t *testing.T) {
	s := newScenario(t, 2, shortOrLong(18*time.Second, 2*time.Minute))
	duration := shortOrLong(4*time.Second, 20*time.Second)
	for round := range shortOrLong(3, 10) {
		s.cutAtCommit(round)
	}
	s.inject(fault{
		name: "PostgreSQL: disk full (inserts fail)", duration: duration,
		begin: func() {
			s.sql(`CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
				$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$`)
			s.sql(`CREATE TRIGGER full_disk BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION full_disk()`)
		},
		end: func() { s.sql(`DROP FUNCTION full_disk CASCADE`) },
	})
	s.inject(fault{
		name: "PostgreSQL slow: 100 ms each way", duration: duration,
		begin: s.each(func(n *node) { n.postgres.Slow(100 * time.Millisecond) }), end: s.each(func(n *node) { n.postgres.Mend() }),
	})
	// As if the clock was an hour ahead and is now corrected.
	s.inject(fault{
		name: "clock set back by an hour", duration: time.Second,
		begin: func() { s.sql(`UPDATE conversations SET last_at = last_at + interval '1 hour'`) },
	})
	s.requireNoBreach()
	require.Zero(t, s.count(`SELECT count(*) FROM (
		SELECT at < lag(at) OVER (PARTITION BY conversation_id ORDER BY seq) AS back FROM events) e WHERE back`), "at went backward")
}

// cutAtCommit cuts the connection before the answer to a commit arrives. The message
// must be stored once, and the sender must get 201.
func (s *scenario) cutAtCommit(round int) {
	s.t.Helper()
	p := s.probes.all[0]
	key := fmt.Sprint("at-commit-", round)
	var status int
	s.inject(fault{name: "PostgreSQL: connection cut at the answer to a commit", begin: func() {
		passed := p.node.postgres.CutAnswerTo(key)
		status, _ = p.post(context.Background(), p.messages(), post(key))
		<-passed
		p.node.postgres.Mend()
	}})
	require.Equal(s.t, http.StatusCreated, status)
	require.Equal(s.t, 1, s.count(`SELECT count(*) FROM events WHERE client_msg_id = $1`, key))
}

// TestTransactionLeftOpen: a transaction in another database of the same server neither
// hides commits from the tail of the log nor delays them.
func TestTransactionLeftOpen(t *testing.T) {
	s := newScenario(t, 2, shortOrLong(8*time.Second, 12*time.Minute))
	db, err := pgx.Connect(t.Context(), shared.postgres.url("postgres"))
	require.NoError(t, err)
	defer db.Close(context.Background())
	tail := s.inject(fault{
		name: "a transaction left open in another database, and no RabbitMQ", duration: shortOrLong(6*time.Second, 11*time.Minute),
		begin: func() {
			_, err := db.Exec(t.Context(), "BEGIN; SELECT pg_current_xact_id()")
			require.NoError(t, err)
			s.each(func(n *node) { n.rabbit.Cut() })()
		},
		end: s.each(func(n *node) { n.rabbit.Mend() }),
	})
	require.Less(t, tail.delivery, recoverWithin)
	s.requireNoBreach()
	_, err = db.Exec(t.Context(), "COMMIT")
	require.NoError(t, err, "the transaction was open until now")
}
