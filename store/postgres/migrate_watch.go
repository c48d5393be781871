package postgres

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"im/store/postgres/internal/pg"
)

// watchInterval is shorter than migrator.lockTimeout, so that a watch sees which
// sessions a migration waits for.
const watchInterval = 100 * time.Millisecond

// describeSession describes a row a of pg_stat_activity. A role without pg_monitor sees
// little of other roles' sessions.
const describeSession = `concat_ws(', ', 'process ' || a.pid, nullif(a.backend_type, 'client backend'), nullif(a.application_name, ''), a.usename,
	'from ' || host(a.client_addr), a.state, 'in a transaction for ' || date_trunc('second', now() - a.xact_start))`

const watchSQL = `
SELECT
	coalesce((SELECT string_agg(` + describeSession + `, '; ') FROM pg_stat_activity a WHERE a.pid = ANY (pg_blocking_pids($1))), ''),
	coalesce((
		SELECT p.phase || CASE WHEN p.blocks_total > 0 THEN format(', %s of %s blocks', p.blocks_done, p.blocks_total) ELSE '' END
		FROM pg_stat_progress_create_index p WHERE p.pid = $1
	), '')`

// watch observes the session of a migration, on a connection of its own. Without one, it
// only logs that the migration still runs.
type watch struct {
	pid   int32
	log   *slog.Logger
	every time.Duration

	cancel   context.CancelFunc
	ended    sync.WaitGroup
	blockers string // the sessions that the migration waited for last; valid after ended
}

func (m *migrator) watch(ctx context.Context, conn *migratorConn, log *slog.Logger) *watch {
	w := &watch{log: log, every: m.reportEvery}
	if err := conn.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&w.pid); err != nil {
		w.cancel = func() {}
		return w
	}
	ctx, w.cancel = context.WithCancel(ctx)
	w.ended.Go(func() {
		observer, err := m.connect(ctx)
		if err == nil {
			defer observer.Close()
		}
		w.run(ctx, observer)
	})
	return w
}

// stop ends the watch. It returns the sessions that the migration waited for last.
func (w *watch) stop() string {
	w.cancel()
	w.ended.Wait()
	return w.blockers
}

// run logs now and then what the migration does. observer may be nil.
func (w *watch) run(ctx context.Context, observer *migratorConn) {
	begun := time.Now()
	reported := begun
	for ctx.Err() == nil {
		var blockers, progress string
		if observer != nil && !observer.IsClosed() {
			_ = observer.QueryRow(ctx, watchSQL, w.pid).Scan(&blockers, &progress) // a report without them is better than none
		}
		if blockers != "" {
			w.blockers = blockers
		}
		if time.Since(reported) >= w.every {
			reported = time.Now()
			w.log.InfoContext(ctx, "the migration is running", "for", time.Since(begun).Round(time.Second),
				"progress", progress, "waits_for", blockers)
		}
		pg.Sleep(ctx, watchInterval)
	}
}
