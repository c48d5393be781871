package pg

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"
)

const (
	// The epoch was begun on one server and one timeline of it. Any other server or
	// timeline may lack the end of the log.
	checkEpochSQL = `
SELECT e.epoch, e.system_identifier = s.system_identifier
	AND e.timeline = left(pg_walfile_name(pg_current_wal_lsn()), 8),
	pg_snapshot_xmax(pg_current_snapshot())::text
FROM epoch e, pg_control_system() s`

	newEpochSQL = `SELECT im_new_epoch_1($1)`

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
// lack the end of the log. It fails on a standby, so no connection to one is used.
func (db *DB) CheckEpoch(ctx context.Context, conn *pgx.Conn) error {
	before := db.seen.Load() // before the query: other goroutines read on concurrently
	var epoch, text string
	var same bool
	if err := conn.QueryRow(ctx, checkEpochSQL).Scan(&epoch, &same, &text); err != nil {
		return err
	}
	xmax, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return err
	}
	lacks := before != nil && before.epoch == epoch && xmax < before.xmax
	if same && !lacks {
		db.SetEpoch(epoch)
		return nil
	}
	return db.BeginEpoch(ctx, conn, epoch)
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
