package pg

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// SameDatabase is the condition that a row e of epoch was written in this database: a
// restored row was written by another transaction, and a copied database has another oid.
const SameDatabase = `coalesce(e.written::xid = e.xmin AND e.database = (SELECT oid FROM pg_database WHERE datname = current_database()), false)`

const (
	// The epoch was begun on one server and one timeline of it. Any other server or
	// timeline, and a copy of the database, may lack the end of the log. A server may not
	// tell: then system_identifier is 0 or timeline is ''.
	checkEpochSQL = `
SELECT e.epoch, im_same_server_1(e.system_identifier, e.timeline, s.system_identifier, s.timeline)
	AND ` + SameDatabase + `,
	pg_snapshot_xmax(pg_current_snapshot())::text, s.started, s.system_identifier <> 0, s.timeline <> '',
	(e.system_identifier = 0 AND s.system_identifier <> 0) OR (e.timeline = '' AND s.timeline <> '')
FROM epoch e, im_server_1() s`

	// identifySQL completes an epoch that was begun when the server did not tell.
	identifySQL = `SELECT im_identify_epoch_1($1)`

	newEpochSQL = `SELECT im_new_epoch_2($1)`

	epochSQL = `SELECT epoch FROM epoch`
)

// seen is how far the feed was read in an epoch. A server whose transaction ids end
// before xmax lacks commits of that epoch.
type seen struct {
	epoch string
	xmax  uint64
}

// SawTransactions records that the feed was read up to xmax in the epoch.
func (db *DB) SawTransactions(epoch string, xmax uint64) {
	db.seen.Store(&seen{epoch: epoch, xmax: xmax})
}

// CheckEpoch runs on every new connection and begins a new epoch if the server may
// lack the end of the log. It fails on a standby, so no connection to one is used. It
// returns what identifies this run of the server.
func (db *DB) CheckEpoch(ctx context.Context, conn Execer) (server string, err error) {
	before := db.seen.Load() // before the query: other goroutines read on concurrently
	var epoch, text string
	var same, system, timeline, incomplete bool
	row := conn.QueryRow(ctx, checkEpochSQL, pgx.QueryExecModeExec)
	if err := row.Scan(&epoch, &same, &text, &server, &system, &timeline, &incomplete); err != nil {
		return "", err
	}
	xmax, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return "", err
	}
	db.unidentified.Do(func() { db.announceServer(system, timeline) })
	lacks := before != nil && before.epoch == epoch && xmax < before.xmax
	if !same || lacks {
		return server, db.BeginEpoch(ctx, conn, epoch)
	}
	if incomplete {
		if _, err := conn.Exec(ctx, identifySQL, pgx.QueryExecModeExec, epoch); err != nil {
			return "", err
		}
	}
	db.SetEpoch(epoch)
	return server, nil
}

// announceServer logs what the role may not read of the server, and what follows.
func (db *DB) announceServer(system, timeline bool) {
	if system && timeline {
		return
	}
	db.Logger.Warn("the server does not tell which server it is: after a failover or a restore that loses commits, a new epoch begins "+
		"only if a node notices that transaction ids or heads went back; run im epoch new after a restore",
		"system_identifier", system, "timeline", timeline, "functions", "pg_control_system, pg_walfile_name, pg_current_wal_lsn")
}

// Execer is a connection or a transaction.
type Execer interface {
	RowQueryer
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// RowQueryer is a pool, a connection or a transaction.
type RowQueryer interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// BeginEpoch replaces the epoch seen, unless another node already replaced it.
func (db *DB) BeginEpoch(ctx context.Context, q RowQueryer, seen string) error {
	var epoch string
	if err := q.QueryRow(ctx, newEpochSQL, seen).Scan(&epoch); err != nil {
		return err
	}
	if db.epoch.Load() == nil { // SetEpoch tells of the others
		db.Logger.Warn("a new epoch has begun: the database is not the one in which the last epoch began", "epoch", epoch, "before", seen)
	}
	db.SetEpoch(epoch)
	return nil
}

// SetEpoch records the epoch that was just read, and reports a change of it.
func (db *DB) SetEpoch(epoch string) {
	if before := db.epoch.Swap(&epoch); before != nil && *before != epoch {
		db.Logger.Warn("a new epoch has begun: the log may have lost its end", "epoch", epoch, "before", *before)
		db.epochBegan(epoch)
	}
}

// KnownEpoch returns the epoch that was last read.
func (db *DB) KnownEpoch() string { return *db.epoch.Load() }

// ReadEpoch reads the present epoch from the database.
func (db *DB) ReadEpoch(ctx context.Context) (epoch string, err error) {
	err = db.Read(ctx, func(ctx context.Context) error {
		return db.Pool.QueryRow(ctx, epochSQL).Scan(&epoch)
	})
	if err == nil {
		db.SetEpoch(epoch)
	}
	return epoch, err
}
