package postgres

import (
	"context"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
)

// MigratorsLock is migratorsLock.
const MigratorsLock = migratorsLock

// SweepNow runs every kind of sweep once.
func (s *Store) SweepNow(ctx context.Context) error { return s.sweepOnce(ctx, true) }

// RepairStep is repairStep.
func (s *Store) RepairStep(ctx context.Context, limit int) (done bool, repaired int64, err error) {
	return s.repairStep(ctx, limit)
}

// MigrateFiles is Migrate with other migrations and shorter pauses.
func MigrateFiles(ctx context.Context, o MigrateOptions, files fs.FS) error {
	m := newMigrator(o)
	m.files, m.shortestPause, m.longestPause, m.reportEvery = files, 50*time.Millisecond, 200*time.Millisecond, 200*time.Millisecond
	return m.run(ctx, func(current, latest int) int { return max(current, latest) })
}

// ConnectMigrator opens a connection as migrations do.
func ConnectMigrator(ctx context.Context, url string) (*pgx.Conn, error) {
	m := newMigrator(MigrateOptions{URL: url})
	conn, err := m.connect(ctx)
	if err != nil {
		return nil, err
	}
	return conn.Conn, m.prepare(ctx, conn, m.lockTimeout)
}
