package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"im/store/postgres/internal/pg"
)

// Inspection is what Inspect finds out about a server and a database.
type Inspection struct {
	Database, Encoding, Version                string
	VersionNumber                              int // such as 150004
	Fsync, SynchronousCommit, FullPageWrites   string
	Unlogged                                   int // tables of the schema that a crash empties
	MaxConnections, ReservedConnections, InUse int
	Standbys, SynchronousStandbys              int
	SeesStandbys                               bool          // the role may read them
	LongestTransaction                         time.Duration // of any client of the server
	PreparedTransactions                       int
	Identified                                 bool          // the server tells which one it is
	Missing                                    []string      // rights that the role lacks
	Clock                                      time.Duration // how far the server's clock is ahead of ours
	ClockError                                 time.Duration // of Clock, at most
	Schema                                     MigrationStatus
}

// inspectSQL needs no right. Settings are those that a new session has before a node
// replaces them.
const inspectSQL = `
SELECT current_database(), current_setting('server_encoding'), current_setting('server_version'), current_setting('server_version_num')::int,
	current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes'),
	(SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace($1)::oid AND relkind = 'r' AND relpersistence = 'u'),
	current_setting('max_connections')::int, current_setting('superuser_reserved_connections')::int,
	(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' OR (backend_type IS NULL AND usename IS NOT NULL)),
	(SELECT count(*) FROM pg_stat_replication), (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')),
	pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
	coalesce(extract(epoch FROM max(now() - xact_start)), 0)::float8,
	(SELECT count(*) FROM pg_prepared_xacts),
	has_function_privilege('pg_control_system()', 'EXECUTE')
FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`

// missingSQL lists the rights on tables, functions and sequences of the schema that the
// role lacks. CASE keeps the server from asking about sequences that are none.
const missingSQL = `
SELECT format('%s on %s', lower(p), c.relname) FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p
WHERE c.relnamespace = to_regnamespace($1)::oid AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'im_schema_version'
	AND NOT has_table_privilege(c.oid, p)
UNION ALL
SELECT format('usage on sequence %s', c.relname) FROM pg_class c
WHERE c.relnamespace = to_regnamespace($1)::oid AND CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE') ELSE false END
UNION ALL
SELECT format('execute on function %s', f.proname) FROM pg_proc f
WHERE f.pronamespace = to_regnamespace($1)::oid AND f.proname LIKE 'im\_%' AND NOT has_function_privilege(f.oid, 'EXECUTE')
UNION ALL
SELECT format('usage on schema %s', n.nspname) FROM pg_namespace n WHERE n.oid = to_regnamespace($1)::oid AND NOT has_schema_privilege(n.oid, 'USAGE')
ORDER BY 1`

// Inspect reads what the server, the database and the role of a connection string are
// like. It writes nothing, and waits for no lock. CheckDatabase says whether a node could
// use them.
func Inspect(ctx context.Context, url string) (Inspection, error) {
	config, err := pg.ParseURL(url, "im/doctor")
	if err != nil {
		return Inspection{}, err
	}
	conn, err := pg.ConnectPlain(ctx, config, "")
	if err != nil {
		return Inspection{}, pg.Translate(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var i Inspection
	if err := i.read(ctx, conn, schemaName(config)); err != nil {
		return i, pg.Translate(err)
	}
	status, err := Migrations(ctx, url)
	if err != nil && pg.SQLState(err) != pg.StatePrivilege && i.Encoding == "UTF8" {
		return i, err
	}
	i.Schema = status
	return i, nil
}

func (i *Inspection) read(ctx context.Context, conn *pgx.Conn, schema string) error {
	var longest float64
	err := conn.QueryRow(ctx, inspectSQL, schema).Scan(
		&i.Database, &i.Encoding, &i.Version, &i.VersionNumber, &i.Fsync, &i.SynchronousCommit, &i.FullPageWrites, &i.Unlogged,
		&i.MaxConnections, &i.ReservedConnections, &i.InUse, &i.Standbys, &i.SynchronousStandbys, &i.SeesStandbys,
		&longest, &i.PreparedTransactions, &i.Identified)
	if err != nil {
		return err
	}
	i.LongestTransaction = time.Duration(longest * float64(time.Second))
	rows, err := conn.Query(ctx, missingSQL, schema)
	if err != nil {
		return err
	}
	if i.Missing, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return err
	}
	var theirs time.Time
	began := time.Now()
	if err := conn.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&theirs); err != nil {
		return fmt.Errorf("reading the clock: %w", err)
	}
	i.ClockError = time.Since(began) / 2
	i.Clock = theirs.Sub(began.Add(i.ClockError))
	return nil
}

// replicaLimit is how long InspectReplica waits for the replica to replay.
const replicaLimit = 5 * time.Second

// InspectReplica returns how long the standby at replicaURL needs until it has what was
// committed on the primary at url. It fails if nodes could not read from the standby. It
// writes nothing.
func InspectReplica(ctx context.Context, replicaURL, url string) (lag time.Duration, err error) {
	primary, err := pg.ParseURL(url, "im/doctor")
	if err != nil {
		return 0, err
	}
	replica, err := pg.ParseReplicaURL(replicaURL, "im/doctor", primary)
	if err != nil {
		return 0, err
	}
	lag, err = pg.CheckReplica(ctx, primary, replica, replicaLimit)
	return lag, pg.Readable(err)
}
