package postgres

import (
	"context"
	"time"

	"im/store/postgres/internal/pg"
)

const (
	repairRows = 2000 // read by one call, and locked by it if all are wrong

	repairCheck   = time.Second           // how often a node looks whether a new epoch has begun
	repairRetry   = 5 * time.Second       // after an error
	shortestPause = 20 * time.Millisecond // between two calls
	longestPause  = 500 * time.Millisecond
)

const repairChangedSQL = `SELECT done, repaired FROM im_repair_changed_1($1)`

// repairChanged repairs the columns "changed" once in each epoch, until ctx ends. After a
// dump was restored on another server, they may hold transactions that are still in the
// future there. A sync does not list such rows, but would do so once these transactions
// are of the past.
//
// The database holds the progress, so a repair that was interrupted goes on, and it is done
// by one node at a time. Each call is a short transaction, and the pauses between them
// leave half of the time to others.
func (s *Store) repairChanged(ctx context.Context) error {
	var done string    // the epoch that is repaired
	var repaired int64 // rows in the present epoch
	for ctx.Err() == nil {
		epoch := s.db.KnownEpoch()
		if epoch == done {
			pg.Sleep(ctx, repairCheck)
			continue
		}
		begun := time.Now()
		ended, rows, err := s.repairStep(ctx, repairRows)
		switch {
		case err != nil && ctx.Err() != nil:
		case err != nil:
			s.db.Logger.Warn("repairing rows that were restored from another server failed, retrying", "error", err)
			pg.Sleep(ctx, repairRetry)
		case ended:
			if repaired += rows; repaired > 0 {
				s.db.Logger.Info("rows that were restored from another server are repaired", "rows", repaired)
			}
			done, repaired = epoch, 0
		default:
			repaired += rows
			pg.Sleep(ctx, min(max(time.Since(begun), shortestPause), longestPause))
		}
	}
	return nil
}

// repairStep repairs the next rows, and reports whether none is left.
func (s *Store) repairStep(ctx context.Context, limit int) (done bool, repaired int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, pg.AttemptTimeout)
	defer cancel()
	err = s.db.Pool.QueryRow(ctx, repairChangedSQL, limit).Scan(&done, &repaired)
	if err != nil {
		s.db.ResetIfBroken(err)
	}
	return done, repaired, pg.Translate(err)
}
