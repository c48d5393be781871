package environments

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/internal/devservices"
)

// startDatabaseServer starts a PostgreSQL server of the test's own, and returns the URL of
// a new, empty database of it. The settings are like wal_level=logical.
func startDatabaseServer(t *testing.T, settings ...string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "im-environments-")
	require.NoError(t, err)
	start := func() *devservices.Postgres {
		server, err := devservices.Open(t.Context(), devservices.Options{Dir: dir, Bin: os.Getenv("IM_POSTGRES_BIN")})
		require.NoError(t, err, "this test needs PostgreSQL's programs")
		return server
	}
	server := start()
	for _, setting := range settings {
		runSQL(t, server.URL(), "ALTER SYSTEM SET "+setting)
	}
	if len(settings) > 0 {
		require.NoError(t, server.Close())
		server = start()
	}
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		require.NoError(t, os.RemoveAll(dir))
	})
	runSQL(t, server.URL(), "CREATE DATABASE im")
	return strings.Replace(server.URL(), "/postgres?", "/im?", 1)
}

// connectionKeywords returns a URL of startDatabaseServer in the form that SUBSCRIPTION takes.
func connectionKeywords(t *testing.T, url string) string {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	require.NoError(t, err)
	return fmt.Sprintf("host=%s port=%d user=%s dbname=%s", config.Host, config.Port, config.User, config.Database)
}

// runSQL runs statements on a connection of its own.
func runSQL(t *testing.T, url string, statements ...string) {
	t.Helper()
	conn := connectSQL(t, url)
	defer func() { _ = conn.Close(context.Background()) }()
	for _, statement := range statements {
		_, err := conn.Exec(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

// querySQL returns the only value of a query.
func querySQL[V any](t *testing.T, url, query string) (value V) {
	t.Helper()
	conn := connectSQL(t, url)
	defer func() { _ = conn.Close(context.Background()) }()
	require.NoError(t, conn.QueryRow(t.Context(), query).Scan(&value), query)
	return value
}

func connectSQL(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	return conn
}

// dumpDatabase returns what pg_dump writes about a database.
func dumpDatabase(t *testing.T, url string, args ...string) []byte {
	t.Helper()
	command := exec.Command("pg_dump", append(args, "--dbname="+url)...)
	var dump, problems bytes.Buffer
	command.Stdout, command.Stderr = &dump, &problems
	require.NoError(t, command.Run(), "pg_dump, which this test needs in PATH: %s", &problems)
	return dump.Bytes()
}

// restoreDatabase feeds a dump to psql.
func restoreDatabase(t *testing.T, url string, dump []byte) {
	t.Helper()
	command := exec.Command("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--dbname="+url)
	command.Stdin = bytes.NewReader(dump)
	output, err := command.CombinedOutput()
	require.NoError(t, err, "psql, which this test needs in PATH: %s", output)
}

// nextTransaction returns the id that the next transaction of a server will have at least.
func nextTransaction(t *testing.T, url string) int64 {
	t.Helper()
	return querySQL[int64](t, url, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
}

// raiseTransactions uses transaction ids of a server until the next one is above id.
func raiseTransactions(t *testing.T, url string, id int64) {
	t.Helper()
	for nextTransaction(t, url) <= id {
		runSQL(t, url, "DO $$ BEGIN FOR i IN 1..1000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$")
	}
}

// testServiceURL returns the URL that the environment names for a service of the tests, or "".
func testServiceURL(service string) string { return os.Getenv("IM_TEST_" + service + "_URL") }
