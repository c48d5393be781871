package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"im/store/postgres/internal/pg"
)

const (
	sweepInterval = 5 * time.Minute
	sweepTimeout  = 2 * time.Minute
	devicesEvery  = 12 // one sweep in 12 also deletes unused devices: once an hour
)

const (
	// Commits are kept for some hours: for readers of the feed that were disconnected, and
	// for committers that lost the answer to a batch.
	sweepCommitsSQL = `
WITH gone AS (
	DELETE FROM commits WHERE at < now() - interval '6 hours' RETURNING tx
)
UPDATE epoch SET feed_gone = greatest(feed_gone, (SELECT tx FROM gone ORDER BY tx DESC LIMIT 1))
WHERE EXISTS (SELECT FROM gone)`

	// A device that has acknowledged nothing for 30 days counts as new afterwards.
	sweepDevicesSQL = `
DELETE FROM device_cursors d USING (
	SELECT user_id, device_id FROM device_cursors
	GROUP BY user_id, device_id HAVING max(used_at) < now() - interval '30 days'
) unused
WHERE d.user_id = unused.user_id AND d.device_id = unused.device_id`

	// After a restore, "changed" of some rows may be a transaction that is still in the
	// future. Until then, every sync would report these rows as new.
	sweepConversationsSQL = `
UPDATE conversations SET changed = pg_current_xact_id() WHERE id IN (
	SELECT id FROM conversations WHERE changed >= pg_snapshot_xmax(pg_current_snapshot())
	ORDER BY id LIMIT 5000 FOR UPDATE SKIP LOCKED
)`

	sweepMembersSQL = `
UPDATE members SET changed = pg_current_xact_id() WHERE (user_id, conversation_id) IN (
	SELECT user_id, conversation_id FROM members WHERE changed >= pg_snapshot_xmax(pg_current_snapshot())
	ORDER BY user_id, conversation_id LIMIT 5000 FOR UPDATE SKIP LOCKED
)`
)

// sweep deletes old rows every few minutes, until ctx ends. All nodes do that; a node
// that sweeps after another one finds little to delete.
func (s *Store) sweep(ctx context.Context) error {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	swept := s.db.KnownEpoch() // the epoch in which "changed" was corrected last
	for n := 1; ; n++ {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		epoch := s.db.KnownEpoch()
		err := s.sweepOnce(ctx, n%devicesEvery == 0, epoch != swept)
		if err == nil {
			swept = epoch
		} else if ctx.Err() == nil {
			s.db.Logger.Warn("deleting old rows failed; the next sweep tries again", "error", err)
		}
	}
}

// sweepOnce deletes old commits, unused devices if devices is set, and corrects "changed"
// if changed is set. It uses a connection of its own, because it may take longer than the
// statement timeout of the pool.
func (s *Store) sweepOnce(ctx context.Context, devices, changed bool) error {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	conn, err := s.db.Connect(ctx)
	if err != nil {
		return err
	}
	defer pg.CloseConn(conn)
	if _, err := conn.Exec(ctx, sweepCommitsSQL); err != nil {
		return err
	}
	if devices {
		if _, err := conn.Exec(ctx, sweepDevicesSQL); err != nil {
			return err
		}
	}
	if changed {
		return errors.Join(sweepAll(ctx, conn, sweepConversationsSQL), sweepAll(ctx, conn, sweepMembersSQL))
	}
	return nil
}

// sweepAll runs a statement that processes a limited number of rows until none is left.
func sweepAll(ctx context.Context, conn *pgx.Conn, sql string) error {
	for {
		tag, err := conn.Exec(ctx, sql)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
	}
}
