package environments

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"im/test/eventually"
	"im/test/improcess"
	"im/test/pgtest"
)

// A migration takes longer than IM_START_TIMEOUT, because a report reads the tables that it
// changes. The node waits, without holding up others. A second node waits for its turn.
func TestMigrationOutlastsTheStart(t *testing.T) {
	t.Parallel()
	c := newMigrateCluster(t)
	release := c.block()
	one := c.serve("one")
	one.awaitOutput("it starts again", 3)
	one.awaitOutput("a long report", 1)
	two := c.serve("two")
	two.awaitOutput("im/migrate one", 1)
	require.Equal(t, 1, querySQL[int](t, c.database, "SELECT count(*)::int FROM epoch"), "the old schema can be read meanwhile")
	require.Equal(t, http.StatusOK, one.status("/healthz"), "nothing may restart it")
	require.Equal(t, http.StatusServiceUnavailable, one.status("/readyz"))
	release()
	one.AwaitReady()
	two.AwaitReady()
	require.Equal(t, 1, strings.Count(one.Output()+two.Output(), "the migration is done")/c.missing)
}

// SIGTERM ends a node that migrates, and leaves the schema as it was.
func TestMigrationStopped(t *testing.T) {
	t.Parallel()
	c := newMigrateCluster(t)
	release := c.block()
	one := c.serve("one")
	one.awaitOutput("it starts again", 1)
	one.Stop()
	require.Equal(t, c.version, querySQL[int](t, c.database, "SELECT version FROM im_schema_version"))

	up := improcess.Start(t, binary, []string{"IM_DATABASE_URL=" + c.database}, "migrate", "up")
	eventually.True(t, "the command waits", func() bool { return strings.Contains(up.Output(), "it starts again") })
	up.Signal(syscall.SIGINT)
	require.Error(t, up.Wait())
	require.Contains(t, up.Output(), "im: stopped;")
	release()
	c.serve("two").AwaitReady()
}

// The server ends the session of a migration, for example because it restarts. The node
// begins again.
func TestMigrationInterrupted(t *testing.T) {
	t.Parallel()
	c := newMigrateCluster(t)
	release := c.block()
	one := c.serve("one")
	one.awaitOutput("it starts again", 1)
	runSQL(t, c.database, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'im/migrate one'`)
	one.awaitOutput("the migrations were interrupted", 1)
	release()
	one.AwaitReady()
}

// What does not work ends with an error that names the setting and says what to do.
func TestMigrationRefused(t *testing.T) {
	t.Parallel()
	c := newMigrateCluster(t)
	release := c.block()
	defer release()
	for setting, expected := range map[string]string{
		"IM_MIGRATE_TIMEOUT=2s": "IM_MIGRATE_TIMEOUT: the migrations took too long (2s)",
		"IM_MIGRATE=off":        "IM_DATABASE_URL: not ready after 1s: the schema of the database has version " + strconv.Itoa(c.version) + ", and this program needs",
	} {
		p := c.serve("one", setting)
		failed := &exec.ExitError{}
		require.ErrorAs(t, p.Wait(), &failed)
		require.Equal(t, 2, failed.ExitCode())
		require.Contains(t, p.Output(), expected)
	}
}

// migrateCluster is a cluster on a database whose schema lacks migrations.
type migrateCluster struct {
	t        *testing.T
	database string
	prefix   string
	version  int // of the schema
	missing  int // number of migrations
}

func newMigrateCluster(t *testing.T) *migrateCluster {
	t.Helper()
	c := &migrateCluster{t: t, database: pgtest.New(t), prefix: "migrate-" + uuid.NewString()[:8]}
	// Down to the migration that changes the table epoch, which needs the table for itself.
	for querySQL[bool](t, c.database, `SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'epoch'::regclass AND attname = 'written')`) {
		down := exec.Command(binary, "migrate", "down")
		down.Env = append(down.Environ(), "IM_DATABASE_URL="+c.database)
		output, err := down.CombinedOutput()
		require.NoError(t, err, "%s", output)
		c.missing++
	}
	c.version = querySQL[int](t, c.database, "SELECT version FROM im_schema_version")
	return c
}

// block begins a transaction that reads all tables, and returns a function that ends it.
func (c *migrateCluster) block() (release func()) {
	c.t.Helper()
	conn := connectSQL(c.t, c.database)
	var tables string
	require.NoError(c.t, conn.QueryRow(c.t.Context(), `SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables
		WHERE schemaname = 'public' AND tablename <> 'im_schema_version'`).Scan(&tables))
	for _, statement := range []string{"SET application_name = 'a long report'", "BEGIN", "LOCK TABLE " + tables + " IN ACCESS SHARE MODE"} {
		_, err := conn.Exec(c.t.Context(), statement)
		require.NoError(c.t, err)
	}
	release = func() { _ = conn.Close(context.Background()) }
	c.t.Cleanup(release)
	return release
}

// migratingNode is a node that may not be ready yet.
type migratingNode struct {
	*improcess.Process
	t *testing.T
}

func (c *migrateCluster) serve(name string, env ...string) *migratingNode {
	c.t.Helper()
	all := []string{
		"IM_NODE_NAME=" + name, "IM_DATABASE_URL=" + c.database, "IM_PREFIX=" + c.prefix, "IM_JWT_SECRET=" + restoreSecret,
		"IM_START_TIMEOUT=1s",
	}
	for _, service := range []string{"REDIS", "AMQP"} {
		if value := testServiceURL(service); value != "" {
			all = append(all, fmt.Sprint("IM_", service, "_URL=", value))
		}
	}
	return &migratingNode{Process: improcess.Serve(c.t, binary, append(all, env...)...), t: c.t}
}

// status returns the status of the answer to a GET.
func (n *migratingNode) status(path string) int {
	n.t.Helper()
	response, err := http.Get(n.URL + path)
	require.NoError(n.t, err)
	require.NoError(n.t, response.Body.Close())
	return response.StatusCode
}

func (n *migratingNode) awaitOutput(text string, times int) {
	n.t.Helper()
	eventually.True(n.t, text, func() bool {
		require.NoError(n.t, syscall.Kill(n.Pid(), 0))
		return strings.Count(n.Output(), text) >= times
	})
}
