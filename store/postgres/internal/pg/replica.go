package pg

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"im/domain"
)

const (
	// replicaCheckTimeout bounds the question to the primary, and the wait for a connection
	// to the replica and its first answer. What takes longer goes to the primary.
	replicaCheckTimeout = 500 * time.Millisecond
	// replayWait is how long a read waits for the replica to replay what was committed
	// before it.
	replayWait   = 100 * time.Millisecond
	firstReplay  = 2 * time.Millisecond // the first pause between checks; each is twice as long as the one before
	shortestRest = time.Second
	longestRest  = 30 * time.Second
)

// replayedSQL reports whether the server is a standby, whether it has replayed the position
// $1, and the epoch of its log.
//
// It is a statement of its own before the read: a snapshot that was taken before the
// position was replayed would lack the last commits.
const replayedSQL = `SELECT pg_is_in_recovery(), coalesce(pg_last_wal_replay_lsn() >= $1::pg_lsn, false), epoch FROM epoch`

// The outcomes of a read of history, as a metric counts them.
const (
	onReplica   = "replica"  // the replica answered
	isBehind    = "behind"   // it has not replayed what was committed before the read
	isUnusable  = "unusable" // it is no standby of this log
	hasFailed   = "failed"   // it did not answer, or ended the read
	isResting   = "resting"  // it was not asked, because an earlier read could not use it
	saysNothing = ""         // not counted: the caller has left, or the primary did not answer
)

// replica is a pool of connections to standbys of the primary. A read uses it only when it
// has all that was committed before the read, so that nobody sees less there than on the
// primary. Every other read goes to the primary.
//
// After a read that it could not serve, the replica rests:
//
//	state    a read                         succeeds  does not
//	ready    asks the replica               ready     resting, for shortestRest
//	resting  goes to the primary            –         –
//	trying   the first one after the rest   ready     resting, twice as long as before,
//	         asks; others go to the primary           longestRest at most
type replica struct {
	pool     *pgxpool.Pool
	frontier *frontier
	reads    *prometheus.CounterVec // by outcome
	logger   *slog.Logger

	mu     sync.Mutex
	rest   time.Duration // 0: ready
	until  time.Time     // the end of the rest
	trying bool
}

// newReplicaReads returns the counter of reads by outcome. It counts from 0 without a
// replica, too.
func newReplicaReads() *prometheus.CounterVec {
	reads := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "im_replica_reads_total",
		Help: "Reads of history and searches, if there is a read replica: answered by the replica, or by the primary because the replica was " +
			"behind, unusable (no standby of this log), failed, or resting after one of these.",
	}, []string{"outcome"})
	for _, outcome := range []string{onReplica, isBehind, isUnusable, hasFailed, isResting} {
		reads.WithLabelValues(outcome)
	}
	return reads
}

// openReplica returns the pool of a replica. It does not connect yet, so that a node starts
// without its replica.
func (db *DB) openReplica(ctx context.Context, c *Config, connections int) (*replica, error) {
	config := c.pool.Copy()
	config.MaxConns = int32(connections)
	config.MinConns, config.MinIdleConns = min(config.MinConns, config.MaxConns), min(config.MinIdleConns, config.MaxConns)
	config.BeforeClose = abandon
	config.BeforeConnect = func(_ context.Context, conn *pgx.ConnConfig) error {
		cancelOnlyDirect(conn)
		return nil
	}
	config.AfterConnect = c.prepareReplica
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &replica{pool: pool, frontier: &frontier{ask: db.askFrontier}, reads: db.replicaReads, logger: db.Logger}, nil
}

// prepareReplica gives a new connection to a replica its settings.
func (c *Config) prepareReplica(ctx context.Context, conn *pgx.Conn) error {
	s, err := c.prepare(ctx, conn, true)
	if err == nil && s.shared {
		err = configError("a read replica cannot be behind a connection pooler: name the standby itself")
	}
	return err
}

func (db *DB) askFrontier(ctx context.Context) (p position, err error) {
	return p, db.Pool.QueryRow(ctx, frontierSQL).Scan(&p.lsn, &p.epoch)
}

// ReadPrimary is Read for statements that take a Queryer.
func (db *DB) ReadPrimary(ctx context.Context, read func(context.Context, Queryer) error) error {
	return db.Read(ctx, func(ctx context.Context) error { return read(ctx, db.Pool) })
}

// ReadHistory is Read for statements that may run on a replica. They see every commit that
// ended before the call.
func (db *DB) ReadHistory(ctx context.Context, read func(context.Context, Queryer) error) error {
	return db.readHistory(ctx,
		func(ctx context.Context, conn *pgxpool.Conn) error { return read(ctx, conn) },
		func(ctx context.Context) error { return read(ctx, db.Pool) })
}

// ReadHistoryTx is ReadTx for statements that may run on a replica. They see every commit
// that ended before the call.
func (db *DB) ReadHistoryTx(ctx context.Context, read func(context.Context, pgx.Tx) error) error {
	begin := pgx.TxOptions{BeginQuery: BeginRead}
	return db.readHistory(ctx,
		func(ctx context.Context, conn *pgxpool.Conn) error {
			return pgx.BeginTxFunc(ctx, conn, begin, func(tx pgx.Tx) error { return read(ctx, tx) })
		},
		func(ctx context.Context) error {
			return pgx.BeginTxFunc(ctx, db.Pool, begin, func(tx pgx.Tx) error { return read(ctx, tx) })
		})
}

func (db *DB) readHistory(
	ctx context.Context, onReplica func(context.Context, *pgxpool.Conn) error, onPrimary func(context.Context) error,
) error {
	attempts := Attempts
	if db.replica != nil {
		answered, ran, err := db.replica.try(ctx, onReplica)
		if answered {
			return Translate(err)
		}
		if ran {
			attempts-- // the caller has waited for one
		}
	}
	return db.read(ctx, attempts, onPrimary)
}

// try runs a read on the replica, if that is ready. It reports whether err is the answer,
// and else whether the read has begun.
func (r *replica) try(ctx context.Context, read func(context.Context, *pgxpool.Conn) error) (answered, ran bool, err error) {
	ready, trial := r.begin()
	if !ready {
		r.reads.WithLabelValues(isResting).Inc()
		return false, false, nil
	}
	outcome, ran, err := r.run(ctx, read)
	left := err != nil && ctx.Err() != nil
	if left {
		outcome = saysNothing
	}
	if outcome != saysNothing {
		r.reads.WithLabelValues(outcome).Inc()
	}
	r.end(ctx, trial, outcome, err)
	return outcome == onReplica || left, ran, err
}

// run waits for the replica and runs the read.
func (r *replica) run(ctx context.Context, read func(context.Context, *pgxpool.Conn) error) (outcome string, ran bool, err error) {
	conn, outcome, err := r.acquire(ctx)
	if err != nil {
		return outcome, false, err
	}
	defer conn.Release()
	ctx, cancel := context.WithTimeout(ctx, AttemptTimeout)
	defer cancel()
	err = read(ctx, conn)
	if isAnswer(err) {
		return onReplica, true, err
	}
	if ConnectionLost(err) && !pgconn.Timeout(err) && !errors.Is(err, context.DeadlineExceeded) {
		r.pool.Reset()
	}
	return hasFailed, true, err
}

// isAnswer reports whether the primary would have returned the same error. A statement that
// took too long is an answer as well: the primary is not to run it again.
func isAnswer(err error) bool {
	var known *domain.Error
	return err == nil || errors.As(err, &known) || NoRows(err) || SQLState(err) == StateCanceled
}

// acquire returns a connection to a standby that has replayed all that was committed before
// the call, or why there is none.
func (r *replica) acquire(ctx context.Context) (conn *pgxpool.Conn, outcome string, err error) {
	ctx, cancel := context.WithTimeout(ctx, replicaCheckTimeout)
	defer cancel()
	need, err := r.frontier.get(ctx)
	if err != nil {
		return nil, saysNothing, err
	}
	conn, err = r.pool.Acquire(ctx)
	if err != nil {
		if errors.Is(err, ErrConfig) || errors.Is(err, errNoStandby) {
			return nil, isUnusable, err
		}
		return nil, hasFailed, err
	}
	if outcome, err = awaitReplay(ctx, conn, need, replayWait); err != nil {
		conn.Release()
		return nil, outcome, err
	}
	return conn, onReplica, nil
}

var (
	errBehind     = errors.New("the standby has not replayed the last commits")
	errNoStandby  = errors.New("the server is no standby")
	errOtherEpoch = errors.New("the standby has another epoch: it does not follow this primary")
)

// awaitReplay waits until the server of a connection has replayed the position, for at most
// limit.
func awaitReplay(ctx context.Context, conn RowQueryer, need position, limit time.Duration) (outcome string, err error) {
	deadline := time.Now().Add(limit)
	for pause := firstReplay; ; pause *= 2 {
		var standby, replayed bool
		var epoch string
		if err := conn.QueryRow(ctx, replayedSQL, need.lsn).Scan(&standby, &replayed, &epoch); err != nil {
			return hasFailed, err
		}
		switch {
		case !standby:
			return isUnusable, errNoStandby
		case replayed && epoch == need.epoch:
			return onReplica, nil
		case replayed:
			return isUnusable, errOtherEpoch
		case time.Now().Add(pause).After(deadline):
			return isBehind, errBehind
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return hasFailed, ctx.Err()
		}
	}
}

// begin reports whether a read may ask the replica, and whether it is the first one after
// a rest.
func (r *replica) begin() (ready, trial bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.rest == 0:
		return true, false
	case r.trying || time.Now().Before(r.until):
		return false, false
	}
	r.trying = true
	return true, true
}

// end notes how a read ended. Reads that began before a rest do not change it.
func (r *replica) end(ctx context.Context, trial bool, outcome string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.rest
	if trial {
		r.trying = false
	}
	switch {
	case outcome == saysNothing, before != 0 && !trial:
	case outcome == onReplica:
		r.rest = 0
	default:
		r.rest = min(max(2*before, shortestRest), longestRest)
		r.until = time.Now().Add(r.rest)
	}
	switch {
	case before == 0 && r.rest != 0:
		r.logger.WarnContext(ctx, "the read replica cannot be used, reading from the primary", "outcome", outcome, "error", Readable(err))
	case before != 0 && r.rest == 0:
		r.logger.InfoContext(ctx, "reading from the replica again")
	}
}

// CheckReplica connects to a replica, and returns how long it took until that had replayed
// what the primary had committed before the call, for at most limit.
func CheckReplica(ctx context.Context, primary, replica *Config, limit time.Duration) (lag time.Duration, err error) {
	need, err := primary.askOnce(ctx)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	conn, err := ConnectPlain(ctx, replica, "")
	if err != nil {
		return 0, err
	}
	defer closeConn(conn)
	if err := replica.prepareReplica(ctx, conn); err != nil {
		return 0, err
	}
	_, err = awaitReplay(ctx, conn, need, limit)
	return time.Since(began), err
}

// askOnce is askFrontier on a connection of its own, which may go through a pooler.
func (c *Config) askOnce(ctx context.Context) (p position, err error) {
	conn, err := ConnectPlain(ctx, c, "")
	if err != nil {
		return p, err
	}
	defer closeConn(conn)
	prelude := "SELECT set_config('search_path', " + Literal(c.path) + ", true)"
	err = pgx.BeginTxFunc(ctx, conn, withPrelude(pgx.TxOptions{BeginQuery: BeginRead}, prelude), func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, frontierSQL).Scan(&p.lsn, &p.epoch)
	})
	return p, err
}
