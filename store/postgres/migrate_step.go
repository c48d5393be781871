package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/tern/v2/migrate"

	"im/store/postgres/internal/pg"
)

// migratorsLock is the advisory lock that tern takes, so that nodes of any version take
// turns. A session can take it several times.
const migratorsLock int64 = 9628173550095224

const (
	turnInterval = 250 * time.Millisecond // between two attempts to get the migrators' lock
	tidyTimeout  = 2 * time.Second        // for what a canceled migration leaves
)

// migratorConn is the connection of a migrator, which has a session of its own.
type migratorConn struct {
	*pg.Session

	config *pg.Config
}

// connect returns a connection for migrations.
func (m *migrator) connect(ctx context.Context) (*migratorConn, error) {
	application := "im/migrate"
	if m.Node != "" {
		application += " " + m.Node
	}
	config, err := pg.ParseURL(m.URL, application)
	if err != nil {
		return nil, err
	}
	conn, err := pg.Connect(ctx, config)
	if err != nil {
		return nil, err
	}
	return &migratorConn{Session: conn, config: config}, nil
}

// version returns the version of the schema. It waits for no lock.
func (c *migratorConn) version(ctx context.Context) (int, error) {
	return schemaVersion(ctx, c.Session, c.config)
}

// prepare sets what a migration needs, against the settings of the role and the database.
// tern resets them after each migration.
func (m *migrator) prepare(ctx context.Context, conn *migratorConn, lockTimeout time.Duration) error {
	err := conn.Keep(ctx, map[string]string{
		"lock_timeout":                        strconv.FormatInt(lockTimeout.Milliseconds(), 10),
		"idle_in_transaction_session_timeout": "0",
		"statement_timeout":                   "0",
	})
	if err == nil {
		// The server ends a statement whose process is gone. Not on every system.
		_, _ = conn.Exec(ctx, `SET client_connection_check_interval = '2s'`)
	}
	return err
}

// takeTurn waits for the migrators' lock, and logs which session holds it. It returns false if
// nothing is needed any more. It asks again and again instead of waiting in the server: a
// session that waits there would hold up CREATE INDEX CONCURRENTLY.
func (m *migrator) takeTurn(ctx context.Context, conn *migratorConn, needed func(current int) bool) (bool, error) {
	var reported time.Time
	for {
		var held bool
		if err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, migratorsLock).Scan(&held); err != nil || held {
			return held, err
		}
		current, err := conn.version(ctx)
		if err != nil || !needed(current) {
			return false, err
		}
		if time.Since(reported) >= m.reportEvery {
			reported = time.Now()
			m.Logger.InfoContext(ctx, "waiting for another node that migrates the schema", "holder", m.turnHolder(ctx, conn))
		}
		pg.Sleep(ctx, turnInterval)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
	}
}

// giveUpTurn releases the migrators' lock.
func (c *migratorConn) giveUpTurn() {
	if c.IsClosed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = c.Exec(ctx, `SELECT pg_advisory_unlock($1)`, migratorsLock) // else it ends with the session
}

// turnHolder describes the session that has the migrators' lock.
func (m *migrator) turnHolder(ctx context.Context, conn *migratorConn) (who string) {
	err := conn.QueryRow(ctx, `
SELECT string_agg(`+describeSession+`, '; ') FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid = $1 AND l.objid = $2
	AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
		uint32(migratorsLock>>32), uint32(migratorsLock&0xffffffff)).Scan(&who)
	if err != nil {
		return "unknown"
	}
	return who
}

// step runs the next migration towards target, until it succeeds, and returns the version
// that the schema has then.
func (m *migrator) step(ctx context.Context, conn *migratorConn, tern *migrate.Migrator, current, target int) (int, error) {
	s := nextStep(tern, current, target)
	begun, pause := time.Now(), m.shortestPause
	log := m.Logger.With("number", s.number, "name", s.name)
	if target < current {
		log.WarnContext(ctx, "reverting a migration")
	} else {
		log.InfoContext(ctx, "running a migration")
	}
	for {
		blockers, err := m.attempt(ctx, conn, tern, s, log)
		if err == nil {
			log.InfoContext(ctx, "the migration is done", "took", time.Since(begun).Round(time.Millisecond))
			return s.next, nil
		}
		if code := pg.SQLState(err); code != pg.StateLockTimeout && code != pg.StateDeadlock {
			return current, err
		}
		if conn.IsClosed() {
			return current, err
		}
		wait := pause/2 + rand.N(pause)
		log.WarnContext(ctx, "the migration gave up waiting for a lock and was rolled back; it starts again",
			"in", wait.Round(time.Millisecond), "waited_for", blockers)
		pg.Sleep(ctx, wait)
		if ctx.Err() != nil {
			return current, err
		}
		pause = min(2*pause, m.longestPause)
	}
}

// migrationStep is one migration in one direction.
type migrationStep struct {
	number int // of the migration
	name   string
	next   int // version of the schema after it
	sql    string
	loose  bool // its statements run one by one, without a transaction
}

// disableTx is how tern marks such a migration.
var disableTx = regexp.MustCompile(`(?m)^---- tern: disable-tx ----$`)

func nextStep(tern *migrate.Migrator, current, target int) migrationStep {
	s := migrationStep{number: current + 1, next: current + 1}
	if target < current {
		s = migrationStep{number: current, next: current - 1}
	}
	one := tern.Migrations[s.number-1]
	s.name, s.sql = one.Name, one.UpSQL
	if target < current {
		s.sql = one.DownSQL
	}
	s.loose = disableTx.MatchString(s.sql)
	return s
}

// attempt runs a migration once. It returns the sessions that it waited for last.
func (m *migrator) attempt(ctx context.Context, conn *migratorConn, tern *migrate.Migrator, s migrationStep, log *slog.Logger) (blockers string, err error) {
	// CREATE INDEX CONCURRENTLY waits for all transactions that are open, and holds up
	// no other session while it waits.
	timeout := m.lockTimeout
	if s.loose {
		timeout = 0
	}
	if err := m.prepare(ctx, conn, timeout); err != nil {
		return "", err
	}
	if s.loose {
		if err := dropInvalidIndexes(ctx, conn, s.sql, "CONCURRENTLY"); err != nil {
			return "", err
		}
	}
	w := m.watch(ctx, conn, log)
	if s.loose {
		err = m.runLoose(ctx, conn, tern, s)
	} else {
		err = runInTransaction(ctx, conn, s)
	}
	if err == nil {
		// A migration may change or reset settings, and those of the role may end an idle
		// session.
		_ = m.prepare(ctx, conn, m.lockTimeout) // if it fails, so does the next migration
	}
	blockers = w.stop()
	if err != nil && s.loose {
		m.tidy(ctx, s, log)
	}
	return blockers, err
}

// runInTransaction runs a migration and records it, in one message to the server: a role or
// a database may end a session that is idle in a transaction after a millisecond.
func runInTransaction(ctx context.Context, conn *migratorConn, s migrationStep) error {
	_, err := conn.PgConn().Exec(ctx, "BEGIN;\n"+s.sql+";\n"+versionSQL(conn, s.next)+";\nCOMMIT").ReadAll()
	if err != nil && !conn.IsClosed() {
		if _, failed := conn.PgConn().Exec(ctx, "ROLLBACK").ReadAll(); failed != nil {
			return errors.Join(err, failed)
		}
	}
	return err
}

// runLoose runs the statements of a migration one by one, without a transaction.
func (m *migrator) runLoose(ctx context.Context, conn *migratorConn, tern *migrate.Migrator, s migrationStep) error {
	err := tern.MigrateTo(ctx, int32(s.next))
	if pg.SQLState(err) != pg.StateReadOnly {
		return err
	}
	// The migration has run. tern has reset the settings before it writes the version,
	// and transactions of this database are read-only by default.
	if err := m.prepare(ctx, conn, m.lockTimeout); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, versionSQL(conn, s.next))
	return err
}

// versionSQL records the version of the schema.
func versionSQL(conn *migratorConn, version int) string {
	return "UPDATE " + schemaName(conn.config) + "." + versionTable + " SET version = " + strconv.Itoa(version)
}

// tidy drops the invalid index that an interrupted migration leaves, unless it has to wait
// for that. The next attempt would drop it, but until then it costs every write.
func (m *migrator) tidy(ctx context.Context, s migrationStep, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTimeout)
	defer cancel()
	conn, err := m.connect(ctx)
	if err == nil {
		defer conn.Close()
		err = m.prepare(ctx, conn, m.lockTimeout)
	}
	if err == nil {
		err = dropInvalidIndexes(ctx, conn, s.sql, "")
	}
	if err != nil {
		log.WarnContext(ctx, "the migration may have left an invalid index; the next attempt drops it", "error", err)
	}
}

// dropInvalidIndexes drops the indexes that a migration creates, if an earlier attempt
// left them unfinished. IF NOT EXISTS would take them for finished.
func dropInvalidIndexes(ctx context.Context, conn *migratorConn, sql, how string) error {
	rows, err := conn.Query(ctx, `
SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND n.nspname = $1`, conn.config.Schema())
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range names {
		if !regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`).MatchString(sql) {
			continue
		}
		if _, err := conn.Exec(ctx, fmt.Sprintf("DROP INDEX %s IF EXISTS %s", how, pgx.Identifier{name}.Sanitize())); err != nil {
			return errors.Join(fmt.Errorf("dropping the unfinished index %s", name), err)
		}
	}
	return err
}
