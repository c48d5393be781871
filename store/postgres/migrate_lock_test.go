package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/tern/v2/migrate"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/migrations"
	"im/store/postgres"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

// files returns migrations: numbered from 1, in this order.
func files(texts ...string) fstest.MapFS {
	all := fstest.MapFS{}
	for i, text := range texts {
		all[fmt.Sprintf("%04d_test.sql", i+1)] = &fstest.MapFile{Data: []byte(text)}
	}
	return all
}

// withOneMore returns the migrations of the program and one more.
func withOneMore(t *testing.T, text string) fs.FS {
	t.Helper()
	all := fstest.MapFS{}
	names, err := fs.Glob(migrations.Files, "*.sql")
	require.NoError(t, err)
	for _, name := range names {
		data, err := fs.ReadFile(migrations.Files, name)
		require.NoError(t, err)
		all[name] = &fstest.MapFile{Data: data}
	}
	all[fmt.Sprintf("%04d_test.sql", len(names)+1)] = &fstest.MapFile{Data: []byte(text)}
	return all
}

// log is a log that a test reads.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

// migration is a migration that runs.
type migration struct {
	*log
	cancel context.CancelFunc
	ended  chan error
}

// startMigration runs migrations on the database of url until the test ends.
func startMigration(t *testing.T, url, node string, timeout time.Duration, migrations fs.FS) *migration {
	t.Helper()
	m := &migration{log: &log{}, ended: make(chan error, 1)}
	var ctx context.Context
	ctx, m.cancel = context.WithCancel(context.Background())
	go func() {
		m.ended <- postgres.MigrateFiles(ctx, postgres.MigrateOptions{
			URL: url, Node: node, Timeout: timeout, Logger: slog.New(slog.NewTextHandler(m.log, nil)),
		}, migrations)
	}()
	t.Cleanup(func() {
		m.cancel()
		if t.Failed() {
			t.Logf("log of %s:\n%s", node, &m.text)
		}
	})
	return m
}

// version returns the version of the schema.
func version(t *testing.T, conn *pgx.Conn) (number int) {
	t.Helper()
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT version FROM im_schema_version`).Scan(&number))
	return number
}

func exec(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := conn.Exec(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

func exists(t *testing.T, conn *pgx.Conn, condition string) (yes bool) {
	t.Helper()
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT EXISTS ("+condition+")").Scan(&yes))
	return yes
}

// A migration that needs a table for itself waits behind a long transaction. Appends of
// running nodes go on meanwhile.
func TestMigrationHoldsUpNoAppends(t *testing.T) {
	t.Parallel()
	n := storetest.Start(t, pgtest.New(t))
	id := n.Group(t, "alice", "bob")
	long, conn := storetest.Connect(t, n.URL), storetest.Connect(t, n.URL)
	exec(t, long, `SET application_name = 'a long report'`, `BEGIN`, `SELECT count(*) FROM conversations`)
	m := startMigration(t, n.URL, "", 0, withOneMore(t, `ALTER TABLE conversations ADD COLUMN more int; ALTER TABLE members ADD COLUMN more int;`))
	for posts := 0; m.count("it starts again") < 5; posts++ {
		n.Post(t, "alice", id, fmt.Sprint(posts), "x")
	}
	require.Positive(t, m.count("a long report"), "the log says who is in the way")
	exec(t, long, `COMMIT`)
	require.NoError(t, storetest.Wait(t, m.ended))
	require.True(t, exists(t, conn, `SELECT more FROM members`))
	n.Post(t, "alice", id, "last", "x")
}

// Nodes that start together run each migration once. Those that wait log for which node.
func TestMigratorsTakeTurns(t *testing.T) {
	t.Parallel()
	url := pgtest.NewEmpty(t)
	conn, blocker := storetest.Connect(t, url), storetest.Connect(t, url)
	exec(t, conn, `CREATE TABLE gate ()`)
	exec(t, blocker, `BEGIN`, `LOCK TABLE gate`)
	steps := files(`CREATE TABLE once ();`, "---- tern: disable-tx ----\nSELECT count(*) FROM gate;", `CREATE TABLE twice ();`)
	first := startMigration(t, url, "node-a", 0, steps)
	eventually.True(t, "the first migrates", func() bool { return first.count("number=2") > 0 })
	second := startMigration(t, url, "node-b", 0, steps)
	eventually.True(t, "the second waits", func() bool { return second.count("im/migrate node-a") > 0 })
	eventually.True(t, "the first reports what it does", func() bool { return first.count("the migration is running") > 1 })
	exec(t, blocker, `COMMIT`)
	require.NoError(t, storetest.Wait(t, first.ended))
	require.NoError(t, storetest.Wait(t, second.ended))
	require.Equal(t, 3, version(t, conn))
	require.Equal(t, 3, first.count("the migration is done"))
	require.Zero(t, second.count("the migration is done"))
}

// A node that has nothing to migrate does not wait for one that migrates.
func TestNothingToMigrateWaitsForNobody(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	exec(t, storetest.Connect(t, url), fmt.Sprint("SELECT pg_advisory_lock(", postgres.MigratorsLock, ")"))
	o := postgres.MigrateOptions{URL: url, Logger: slog.New(slog.DiscardHandler), Timeout: storetest.Deadline}
	require.NoError(t, postgres.Migrate(t.Context(), o))
	_, err := postgres.Migrations(t.Context(), url)
	require.NoError(t, err)
	storetest.Start(t, url)

	t.Run("other versions take the same lock", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := migrate.NewMigrator(ctx, storetest.Connect(t, url), "public.im_schema_version")
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	t.Run("a node that has waits until its time is over", func(t *testing.T) {
		m := startMigration(t, url, "", time.Second, withOneMore(t, `CREATE TABLE more ();`))
		err := storetest.Wait(t, m.ended)
		require.ErrorIs(t, err, postgres.ErrMigrateTimeout)
		require.Positive(t, m.count("waiting for another node"))
	})
}

// A migration takes as long as it takes, whatever the timeouts of the role are.
func TestMigrationOutlastsTimeouts(t *testing.T) {
	t.Parallel()
	url := pgtest.NewEmpty(t)
	conn := storetest.Connect(t, url)
	exec(t, conn, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = 300', current_database());
		EXECUTE format('ALTER DATABASE %I SET idle_in_transaction_session_timeout = 300', current_database()); END $$`)
	m := startMigration(t, url, "", 0, files(`SELECT pg_sleep(1); CREATE TABLE one ();`, `SELECT pg_sleep(1); CREATE TABLE two ();`))
	require.NoError(t, storetest.Wait(t, m.ended))
	require.Equal(t, 2, version(t, conn))
}

// A canceled migration ends at once, in the server too, and leaves nothing.
func TestMigrationCanceled(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"in a transaction":      `CREATE TABLE half (); SELECT pg_sleep(3600);`,
		"without a transaction": "---- tern: disable-tx ----\nSELECT pg_sleep(3600);",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.NewEmpty(t)
			conn := storetest.Connect(t, url)
			const sessions = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'im/migrate%'`
			m := startMigration(t, url, "", 0, files(`CREATE TABLE one ();`, text))
			eventually.True(t, "it runs", func() bool { return exists(t, conn, sessions+` AND wait_event = 'PgSleep'`) })
			m.cancel()
			require.ErrorIs(t, storetest.Wait(t, m.ended), domain.ErrUnavailable)
			eventually.True(t, "the server has ended it", func() bool { return !exists(t, conn, sessions) })
			require.Equal(t, 1, version(t, conn))
			require.False(t, exists(t, conn, `SELECT FROM pg_tables WHERE tablename = 'half'`))
			m = startMigration(t, url, "", 0, files(`CREATE TABLE one ();`, `CREATE TABLE half ();`))
			require.NoError(t, storetest.Wait(t, m.ended))
		})
	}
}

const (
	invalidIndex = `SELECT FROM pg_index WHERE indexrelid = to_regclass('t_a') AND NOT indisvalid`
	validIndex   = `SELECT FROM pg_index WHERE indexrelid = to_regclass('t_a') AND indisvalid`
)

// indexSteps make a table, and an index without a lock that holds up writers.
var indexSteps = files(`CREATE TABLE t (a int);`,
	"---- tern: disable-tx ----\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS t_a ON t (a);")

func TestMigrationCreatesAnIndexConcurrently(t *testing.T) {
	t.Parallel()
	url := pgtest.NewEmpty(t)
	conn, long := storetest.Connect(t, url), storetest.Connect(t, url)
	m := startMigration(t, url, "", 0, files(`CREATE TABLE t (a int);`))
	require.NoError(t, storetest.Wait(t, m.ended))
	// The index is done when this transaction has ended. Writers need not wait for it.
	exec(t, long, `SET application_name = 'a long report'`, `BEGIN`, `INSERT INTO t VALUES (0)`)
	m = startMigration(t, url, "", 0, indexSteps)
	eventually.True(t, "it waits for the transaction", func() bool { return m.count("a long report") > 3 })
	require.Positive(t, m.count("waiting for writers before build"), "the log has the progress")
	exec(t, conn, `INSERT INTO t VALUES (1)`)
	exec(t, long, `COMMIT`)
	require.NoError(t, storetest.Wait(t, m.ended))
	require.True(t, exists(t, conn, validIndex))
}

// What an earlier attempt has left of an index is dropped, and the index is built again.
func TestMigrationRepeatsAnUnfinishedIndex(t *testing.T) {
	t.Parallel()
	url := pgtest.NewEmpty(t)
	conn := storetest.Connect(t, url)
	exec(t, conn, `CREATE TABLE t (a int)`, `INSERT INTO t VALUES (1), (1)`, `CREATE TABLE im_schema_version AS SELECT 1 AS version`)

	m := startMigration(t, url, "", 0, indexSteps)
	require.ErrorContains(t, storetest.Wait(t, m.ended), "0002_test.sql")
	require.False(t, exists(t, conn, invalidIndex), "an attempt that fails leaves nothing")

	// One whose process was killed leaves an index that is not valid.
	_, err := conn.Exec(t.Context(), `CREATE UNIQUE INDEX CONCURRENTLY t_a ON t (a)`)
	require.ErrorContains(t, err, "could not create unique index")
	require.True(t, exists(t, conn, invalidIndex))
	exec(t, conn, `DELETE FROM t`)
	m = startMigration(t, url, "", 0, indexSteps)
	require.NoError(t, storetest.Wait(t, m.ended))
	require.True(t, exists(t, conn, validIndex))
	require.Equal(t, 2, version(t, conn))

	// One that was killed after the index was done, before its number was stored.
	exec(t, conn, `UPDATE im_schema_version SET version = 1`)
	m = startMigration(t, url, "", 0, indexSteps)
	require.NoError(t, storetest.Wait(t, m.ended))
	require.Equal(t, 2, version(t, conn))
}

// A canceled one does not wait for the transactions that the index has waited for.
func TestMigrationCanceledWhileAnIndexIsBuilt(t *testing.T) {
	t.Parallel()
	url := pgtest.NewEmpty(t)
	conn, long := storetest.Connect(t, url), storetest.Connect(t, url)
	exec(t, conn, `CREATE TABLE t (a int)`, `CREATE TABLE im_schema_version AS SELECT 1 AS version`)
	exec(t, long, `BEGIN`, `INSERT INTO t VALUES (0)`)
	m := startMigration(t, url, "", 0, indexSteps)
	eventually.True(t, "it waits for the transaction", func() bool { return m.count("waiting for writers before build") > 0 })
	m.cancel()
	require.ErrorIs(t, storetest.Wait(t, m.ended), domain.ErrUnavailable)
	require.Positive(t, m.count("the next attempt drops it"))
	exec(t, long, `COMMIT`)
	m = startMigration(t, url, "", 0, indexSteps)
	require.NoError(t, storetest.Wait(t, m.ended))
	require.True(t, exists(t, conn, validIndex))
}

// The server went away during a migration: the caller may retry.
func TestMigrationCutOff(t *testing.T) {
	t.Parallel()
	url := pgtest.NewEmpty(t)
	conn := storetest.Connect(t, url)
	m := startMigration(t, url, "", 0, files(`SELECT pg_sleep(3600);`))
	eventually.True(t, "it runs", func() bool {
		return exists(t, conn, `SELECT FROM (SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity
			WHERE datname = current_database() AND application_name LIKE 'im/migrate%' AND wait_event = 'PgSleep') s WHERE ended`)
	})
	require.ErrorIs(t, storetest.Wait(t, m.ended), domain.ErrUnavailable)
}

// The server notices that the process is gone while a statement runs, and ends it.
func TestMigrationOfAKilledProcess(t *testing.T) {
	t.Parallel()
	url := pgtest.NewEmpty(t)
	conn := storetest.Connect(t, url)
	killed, err := postgres.ConnectMigrator(t.Context(), url)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		_, err := killed.Exec(context.Background(), `SELECT pg_sleep(3600)`)
		ended <- err
	}()
	const sleeping = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`
	eventually.True(t, "it runs", func() bool { return exists(t, conn, sleeping) })
	require.NoError(t, killed.PgConn().Conn().Close())
	require.Error(t, storetest.Wait(t, ended))
	eventually.True(t, "the server has ended it", func() bool { return !exists(t, conn, sleeping) })
}

// Rows of a large table are changed in batches, each in a transaction of its own.
func TestMigrationChangesRowsInBatches(t *testing.T) {
	t.Parallel()
	url := pgtest.NewEmpty(t)
	conn, blocker := storetest.Connect(t, url), storetest.Connect(t, url)
	exec(t, conn, `CREATE TABLE t AS SELECT a, false AS done FROM generate_series(1, 100) a`, `CREATE TABLE im_schema_version AS SELECT 1 AS version`)
	exec(t, blocker, `BEGIN`, `SELECT FROM t WHERE a = 50 FOR UPDATE`)
	m := startMigration(t, url, "", 0, files(`CREATE TABLE t ();`, `---- tern: disable-tx ----
SET lock_timeout = '100ms';
DO $$
DECLARE
    v_rows int;
BEGIN
    LOOP
        UPDATE t SET done = true WHERE a IN (SELECT a FROM t WHERE NOT done ORDER BY a LIMIT 10);
        GET DIAGNOSTICS v_rows = ROW_COUNT;
        EXIT WHEN v_rows = 0;
        COMMIT;
    END LOOP;
END
$$;`))
	eventually.True(t, "it gives up waiting", func() bool { return m.count("it starts again") > 1 })
	require.True(t, exists(t, conn, `SELECT FROM t WHERE done HAVING count(*) = 40`), "earlier batches stay")
	exec(t, blocker, `COMMIT`)
	require.NoError(t, storetest.Wait(t, m.ended))
	require.False(t, exists(t, conn, `SELECT FROM t WHERE NOT done`))
}
