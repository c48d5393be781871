package pg

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// Options configure a DB. All fields but those of the replica are required.
type Options struct {
	// Config is the parsed URL.
	Config *Config
	// Readers is the size of the connection pool.
	Readers int
	// EpochBegan is called with each new epoch, before a new connection is used in it.
	EpochBegan func(epoch string)
	Logger     *slog.Logger
	// Replica is the parsed URL of standbys that ReadHistory may use, with at most
	// ReplicaConnections connections; nil if there are none.
	Replica            *Config
	ReplicaConnections int
}

// DB is the pool of connections that all reads and small writes share, and the epoch
// that was last read. It is safe for concurrent use.
type DB struct {
	Pool   *Pool
	Logger *slog.Logger

	replica      *replica // nil: there is none
	replicaReads *prometheus.CounterVec
	config       *Config
	locator      *locator
	pooler       pooler
	announced    sync.Once // the defaults that a session replaces
	unidentified sync.Once // what the server does not tell of itself
	epochBegan   func(epoch string)
	epoch        atomic.Pointer[string]
	seen         atomic.Pointer[seen]
}

// Open connects, and checks that the schema exists. It fails with
// domain.ErrUnavailable when the server cannot be reached.
func Open(ctx context.Context, o Options) (*DB, error) {
	db := &DB{config: o.Config, locator: newLocator(o.Config), Logger: o.Logger, epochBegan: o.EpochBegan, replicaReads: newReplicaReads()}
	config := o.Config.pool.Copy()
	config.MaxConns = int32(o.Readers)
	config.MinConns, config.MinIdleConns = min(config.MinConns, config.MaxConns), min(config.MinIdleConns, config.MaxConns)
	config.BeforeClose = abandon
	config.BeforeConnect = func(ctx context.Context, conn *pgx.ConnConfig) error {
		db.pooler.adapt(db.config, conn)
		if err := db.locator.choose(ctx, conn); err != nil {
			return err
		}
		cancelOnlyDirect(conn)
		return nil
	}
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error { return db.begin(ctx, conn, true) }
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, Translate(err)
	}
	db.Pool = &Pool{pool: pool, prelude: func() string { return db.pooler.prelude(true) }}
	if o.Replica != nil {
		if db.replica, err = db.openReplica(ctx, o.Replica, o.ReplicaConnections); err != nil {
			db.Close()
			return nil, Translate(err)
		}
	}
	if _, err := db.ReadEpoch(ctx); err != nil {
		db.Close()
		return nil, err
	}
	if err := db.checkPooler(ctx); err != nil {
		db.Close()
		return nil, Translate(err)
	}
	return db, nil
}

// begin gives a new connection its settings and checks the epoch on it.
func (db *DB) begin(ctx context.Context, conn *pgx.Conn, pooled bool) error {
	s, err := db.config.prepare(ctx, conn, pooled)
	if err != nil {
		return err
	}
	db.announced.Do(func() { db.announce(s) })
	if !s.shared {
		_, err := db.CheckEpoch(ctx, conn)
		return err
	}
	known := db.pooler.isKnown()
	o := withPrelude(pgx.TxOptions{BeginQuery: BeginWrite}, s.prelude(db.config.schema, ""))
	err = pgx.BeginTxFunc(ctx, conn, o, func(tx pgx.Tx) error {
		server, err := db.CheckEpoch(ctx, tx)
		if err == nil {
			db.pooler.use(db.config, s, server)
		}
		return err
	})
	if err == nil && !known {
		return errPoolerFound
	}
	return statementPooling(err)
}

// announce logs the defaults that matter and that sessions of a node replace.
func (db *DB) announce(s *session) {
	for i, name := range s.names {
		own, _ := ownSetting(name)
		before := s.defaults[i]
		if !own.announced || before == nil || sameValue(own.value, *before) || *before == "remote_apply" {
			continue
		}
		db.Logger.Warn("a default of the server, the database or the role would break the log; the sessions of this node replace it",
			"parameter", name, "default", *before, "value", own.value)
	}
	if s.fsync == "off" {
		db.Logger.Warn("the server runs with fsync=off: a crash of its machine loses messages that were accepted", "parameter", "fsync")
	}
}

// Close closes the pools. Connections of Connect are the caller's.
func (db *DB) Close() {
	db.Pool.pool.Close()
	if db.replica != nil {
		db.replica.pool.Close()
	}
}

// Connect returns a new connection outside the pool, for work that a pooled
// connection's statement timeout would cut short.
func (db *DB) Connect(ctx context.Context) (*Conn, error) {
	conn, err := db.config.connect(ctx, db.locator, func(conn *pgx.ConnConfig) { db.pooler.adapt(db.config, conn) })
	if err != nil {
		return nil, err
	}
	if err := db.begin(ctx, conn, false); err != nil {
		closeConn(conn)
		return nil, err
	}
	return &Conn{conn: conn, prelude: func() string { return db.pooler.prelude(false) }}, nil
}

const (
	// AttemptTimeout bounds one attempt at a read.
	AttemptTimeout = 4 * time.Second
	// Attempts is how often Read runs an attempt at most.
	Attempts = 2
)

// Read runs a repeatable statement and translates its error. If the connection is
// lost, it runs the statement once more. It returns within Attempts × AttemptTimeout.
func (db *DB) Read(ctx context.Context, attempt func(context.Context) error) error {
	return db.read(ctx, Attempts, attempt)
}

func (db *DB) read(ctx context.Context, attempts int, attempt func(context.Context) error) error {
	var err error
	for range attempts {
		err = func() error {
			ctx, cancel := context.WithTimeout(ctx, AttemptTimeout)
			defer cancel()
			return attempt(ctx)
		}()
		if err == nil || ctx.Err() != nil || !ConnectionLost(err) {
			break
		}
		db.ResetIfBroken(err)
	}
	return Translate(err)
}

// ResetIfBroken closes all pooled connections if err says that one was cut off: the
// others are probably gone too, and each would cost a read to find out. A timeout
// says nothing about the other connections.
func (db *DB) ResetIfBroken(err error) {
	if ConnectionLost(err) && !pgconn.Timeout(err) && !errors.Is(err, context.DeadlineExceeded) {
		db.Pool.Reset()
	}
}

const (
	// BeginLookup begins a transaction of LookupTx.
	//
	// Lists of ids are looked up one by one. Left to itself, PostgreSQL tries plans for
	// these very ids a few times on each connection, which may go through all members;
	// and one that it keeps may be of a day when the tables were empty, and go through
	// all members for each id.
	BeginLookup = BeginRead + `;
SET LOCAL plan_cache_mode = force_generic_plan;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_material = off;
SET LOCAL jit = off`
)

// ReadTx is Read for several statements that see one snapshot.
func (db *DB) ReadTx(ctx context.Context, read func(context.Context, pgx.Tx) error) error {
	return db.readTx(ctx, BeginRead, read)
}

// LookupTx is ReadTx for statements that look up the keys they are given, with plans
// that always go by indexes.
func (db *DB) LookupTx(ctx context.Context, read func(context.Context, pgx.Tx) error) error {
	return db.readTx(ctx, BeginLookup, read)
}

func (db *DB) readTx(ctx context.Context, begin string, read func(context.Context, pgx.Tx) error) error {
	return db.Read(ctx, func(ctx context.Context) error {
		return pgx.BeginTxFunc(ctx, db.Pool, pgx.TxOptions{BeginQuery: begin},
			func(tx pgx.Tx) error { return read(ctx, tx) })
	})
}

// ReadAll reads the rows of one statement.
func ReadAll[V any](ctx context.Context, db *DB, scan pgx.RowToFunc[V], sql string, args ...any) (list []V, err error) {
	err = db.Read(ctx, func(ctx context.Context) error {
		rows, err := db.Pool.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, scan)
		return err
	})
	return list, err
}

// CloseConn closes a connection in good order, even if the caller's context has ended.
func CloseConn(conn *Conn) { closeConn(conn.conn) }

func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// Sleep waits for d or until ctx ends.
func Sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
