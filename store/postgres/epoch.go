package postgres

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"

	"im/domain"
)

// A server that is not the one that the epoch was begun on, or is on another
// timeline of it, may lack the end of the log.
const checkEpochSQL = `
SELECT e.epoch, e.system_identifier = s.system_identifier
	AND e.timeline = left(pg_walfile_name(pg_current_wal_lsn()), 8),
	pg_snapshot_xmax(pg_current_snapshot())::text
FROM epoch e, pg_control_system() s`

const newEpochSQL = `SELECT im_new_epoch_1($1)`

// seen is how far the feed was read in an epoch: a server whose transactions end
// before that lacks some of them.
type seen struct {
	epoch string
	xmax  uint64
}

// checkEpoch is run on every new connection. On a standby it fails, so that no
// connection to one is ever used.
func (s *Store) checkEpoch(ctx context.Context, conn *pgx.Conn) error {
	before := s.seen.Load() // before asking: others read on meanwhile
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
		s.setEpoch(epoch)
		return nil
	}
	return s.beginEpoch(ctx, conn, epoch)
}

// beginEpoch replaces the epoch that was seen, unless another node was faster.
func (s *Store) beginEpoch(ctx context.Context, db queryer, seen string) error {
	var epoch string
	if err := db.QueryRow(ctx, newEpochSQL, seen).Scan(&epoch); err != nil {
		return err
	}
	s.setEpoch(epoch)
	return nil
}

type queryer interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func (s *Store) setEpoch(epoch string) {
	if before := s.epoch.Swap(&epoch); before != nil && *before != epoch {
		s.log.Warn("a new epoch has begun: the log may have lost its end", "epoch", epoch, "before", *before)
		s.options.EpochBegan(epoch)
	}
}

// Epoch returns the present epoch, read from the database.
func (s *Store) Epoch(ctx context.Context) (epoch string, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, pingSQL).Scan(&epoch)
	})
	if err == nil {
		s.setEpoch(epoch)
	}
	return epoch, err
}

// NewEpoch begins a new epoch whatever the server looks like: what an operator
// does after restoring a backup.
func (s *Store) NewEpoch(ctx context.Context) (string, error) {
	seen, err := s.Epoch(ctx)
	if err != nil {
		return "", err
	}
	if err := translate(s.beginEpoch(ctx, s.pool, seen)); err != nil {
		return "", err
	}
	return *s.epoch.Load(), nil
}

const headSQL = `SELECT e.epoch, coalesce((SELECT head_seq FROM conversations WHERE id = $1), 0) FROM epoch e`

// HeadLost is told that seq was seen as committed. If the stored head is below
// it, the log has come back in an earlier state, and a new epoch begins.
func (s *Store) HeadLost(ctx context.Context, id domain.ConversationID, seq int64) error {
	var epoch string
	var head int64
	err := s.read(ctx, func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, headSQL, id).Scan(&epoch, &head)
	})
	if err != nil || head >= seq {
		return err
	}
	return translate(s.beginEpoch(ctx, s.pool, epoch))
}
