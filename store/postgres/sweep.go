package postgres

import (
	"context"
	"time"

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

	sweepReportsSQL = `DELETE FROM reports WHERE created_at < now() - $1::interval`

	sweepBansSQL = `DELETE FROM user_bans WHERE until < now()`

	sweepFailuresSQL = `DELETE FROM webhook_failures WHERE failed_at < now() - interval '30 days'`
)

// sweep deletes old rows every few minutes, until ctx ends. All nodes do that; a node
// that sweeps after another one finds little to delete.
func (s *Store) sweep(ctx context.Context) error {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		if err := s.sweepOnce(ctx, n%devicesEvery == 0); err != nil && ctx.Err() == nil {
			s.db.Logger.Warn("deleting old rows failed; the next sweep tries again", "error", err)
		}
	}
}

// sweepOnce deletes old commits, old reports, bans from the app that have ended, old failures
// of webhooks, notifications that no node sends, and unused devices if devices is set. It uses a connection of its own, because it may take longer than the statement timeout of the pool.
func (s *Store) sweepOnce(ctx context.Context, devices bool) error {
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
		if _, err = conn.Exec(ctx, sweepDevicesSQL); err != nil {
			return err
		}
	}
	if _, err := conn.Exec(ctx, sweepReportsSQL, s.reportRetention); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, sweepBansSQL); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, sweepFailuresSQL); err != nil {
		return err
	}
	return s.SweepPushes(ctx)
}
