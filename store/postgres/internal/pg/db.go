package pg

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options configure a DB. All fields are required.
type Options struct {
	// URL is a connection string of PostgreSQL, as a URL or as keywords.
	URL string
	// Readers is the size of the connection pool.
	Readers int
	// EpochBegan is called with each new epoch, before a new connection is used in it.
	EpochBegan func(epoch string)
	Logger     *slog.Logger
}

// DB is the pool of connections that all reads and small writes share, and the epoch
// that was last read. It is safe for concurrent use.
type DB struct {
	Pool   *pgxpool.Pool
	Logger *slog.Logger

	url        string
	epochBegan func(epoch string)
	epoch      atomic.Pointer[string]
	seen       atomic.Pointer[seen]
}

// Open connects, and checks that the schema exists. It fails with
// domain.ErrUnavailable when the server cannot be reached.
func Open(ctx context.Context, o Options) (*DB, error) {
	db := &DB{url: o.URL, Logger: o.Logger, epochBegan: o.EpochBegan}
	config, err := poolConfig(o, db.CheckEpoch)
	if err != nil {
		return nil, err
	}
	if db.Pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, Translate(err)
	}
	if _, err := db.ReadEpoch(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// Close closes the pool. Connections of Connect are the caller's.
func (db *DB) Close() { db.Pool.Close() }

// Connect returns a new connection outside the pool, for work that a pooled
// connection's statement timeout would cut short. The epoch is not checked on it.
func (db *DB) Connect(ctx context.Context) (*pgx.Conn, error) {
	config, err := ConnConfig(db.url)
	if err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, config)
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
	var err error
	for range Attempts {
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
	beginRead = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`

	// BeginLookup begins a transaction of LookupTx.
	//
	// Lists of ids are looked up one by one. Left to itself, PostgreSQL tries plans for
	// these very ids a few times on each connection, which may go through all members;
	// and one that it keeps may be of a day when the tables were empty, and go through
	// all members for each id.
	BeginLookup = beginRead + `;
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
	return db.readTx(ctx, beginRead, read)
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
func CloseConn(conn *pgx.Conn) {
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
