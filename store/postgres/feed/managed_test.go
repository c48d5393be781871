package feed_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/store/postgres"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

// limited creates a role that is no superuser and owns the database, and returns the URL
// for it. The server of the tests keeps the role until the test ends.
func limited(t *testing.T, database string) string {
	t.Helper()
	role := "im_test_" + strings.ToLower(rand.Text()[:10])
	config, err := pgx.ParseConfig(database)
	require.NoError(t, err)
	exec(t, database, fmt.Sprintf(`CREATE ROLE %s LOGIN PASSWORD 'limited'; ALTER DATABASE %s OWNER TO %s`, role, pgx.Identifier{config.Database}.Sanitize(), role))
	t.Cleanup(func() { drop(t, database, role, "DROP ROLE "+role) })
	u, err := url.Parse(database)
	require.NoError(t, err)
	u.User = url.UserPassword(role, "limited")
	return u.String()
}

// drop removes what a role owns in a database, and its rights there.
func drop(t *testing.T, database, role string, more ...string) {
	conn, err := pgx.Connect(context.Background(), database)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	for _, sql := range append([]string{"REASSIGN OWNED BY " + role + " TO CURRENT_USER", "DROP OWNED BY " + role}, more...) {
		_, err = conn.Exec(context.Background(), sql)
		require.NoError(t, err, sql)
	}
}

func exec(t testing.TB, database string, statements ...string) {
	t.Helper()
	conn := storetest.Connect(t, database)
	for _, sql := range statements {
		_, err := conn.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
}

// revoke is for functions that only superusers may call.
func revoke(functions ...string) (statements []string) {
	for _, f := range functions {
		statements = append(statements, "REVOKE EXECUTE ON FUNCTION pg_catalog."+f+" FROM PUBLIC")
	}
	return statements
}

// remove is for functions that a server does not have.
func remove(functions ...string) (statements []string) {
	for _, f := range functions {
		statements = append(statements, "ALTER FUNCTION pg_catalog."+f+" RENAME TO im_renamed_"+strings.NewReplacer("(", "", ")", "", " ", "").Replace(f))
	}
	return statements
}

// refuse is for functions that a server has and that only raise an error.
func refuse(functions ...string) (statements []string) {
	types := map[string]string{
		"pg_current_wal_lsn()": "pg_lsn", "pg_walfile_name(pg_lsn)": "text",
		"pg_control_system()": "TABLE (pg_control_version int, catalog_version_no int, system_identifier bigint, pg_control_last_modified timestamptz)",
	}
	statements = remove(functions...)
	for _, f := range functions {
		statements = append(statements, "CREATE FUNCTION pg_catalog."+f+" RETURNS "+types[f]+
			` LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'currently not supported' USING ERRCODE = 'feature_not_supported'; END $$`)
	}
	return statements
}

const (
	controlSystem = "pg_control_system()"
	currentLSN    = "pg_current_wal_lsn()"
	fileName      = "pg_walfile_name(pg_lsn)"
)

// journal is what stores have logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) take(o *postgres.Options) { o.Logger = slog.New(slog.NewTextHandler(j, nil)) }

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// The epoch works from what a server tells of itself. A node says what it does not tell.
func TestEpochOnAServerThatTellsLittle(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change           []string
		system, timeline bool // what the server tells
	}{
		"everything is told":                 {nil, true, true},
		"all functions are for superusers":   {revoke(controlSystem, currentLSN, fileName), false, false},
		"all functions are missing":          {remove(controlSystem, currentLSN, fileName), false, false},
		"all functions raise errors":         {refuse(controlSystem, currentLSN, fileName), false, false},
		"the position in the log is refused": {refuse(currentLSN), true, false},
		"the system is for superusers":       {revoke(controlSystem), false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := pgtest.NewEmpty(t)
			u := limited(t, database)
			exec(t, database, c.change...)
			require.NoError(t, postgres.Migrate(t.Context(), postgres.MigrateOptions{URL: u, Logger: slog.New(slog.DiscardHandler)}))
			var said journal
			n := storetest.Start(t, u, said.take)
			id := n.Group(t, "alice", "bob")
			n.Post(t, "alice", id, "m1", "x")
			before, err := n.Feed(t.Context(), "")
			require.NoError(t, err)
			warning := fmt.Sprintf("system_identifier=%v timeline=%v", c.system, c.timeline)
			if c.system && c.timeline {
				require.NotContains(t, said.String(), "does not tell")
			} else {
				require.Equal(t, 1, strings.Count(said.String(), warning), "%s", said.String())
			}
			n.DB().Pool.Reset()
			same, err := storetest.Start(t, u).Epoch(t.Context())
			require.NoError(t, err)
			require.Equal(t, before.Epoch, same)

			// The node compares what the server reports.
			epoch := before.Epoch
			changed := func(change string, noticed bool) {
				exec(t, database, change)
				page, err := n.Feed(t.Context(), "")
				require.NoError(t, err)
				require.Equal(t, noticed, page.Epoch != epoch, change)
				epoch = page.Epoch
			}
			changed(`UPDATE epoch SET system_identifier = 7`, c.system)
			changed(`UPDATE epoch SET timeline = '0000FFFF'`, c.timeline)

			// Transaction ids and heads are compared on every server.
			eventually.True(t, "transaction ids went back", func() bool {
				n.DB().SawTransactions(epoch, 1<<40)
				n.DB().Pool.Reset()
				after, err := n.Epoch(t.Context())
				require.NoError(t, err)
				return after != epoch
			})
			epoch, err = n.Epoch(t.Context())
			require.NoError(t, err)
			require.NoError(t, n.HeadLost(t.Context(), id, 99))
			after, err := n.Epoch(t.Context())
			require.NoError(t, err)
			require.NotEqual(t, epoch, after)
			n.Post(t, "alice", id, "m2", "x")
		})
	}
}

// Rights that are granted later complete the epoch, and do not end it.
func TestEpochIsCompletedWhenTheServerTells(t *testing.T) {
	t.Parallel()
	database := pgtest.NewEmpty(t)
	u := limited(t, database)
	exec(t, database, revoke(controlSystem, currentLSN, fileName)...)
	require.NoError(t, postgres.Migrate(t.Context(), postgres.MigrateOptions{URL: u, Logger: slog.New(slog.DiscardHandler)}))
	before, err := storetest.Start(t, u).Epoch(t.Context())
	require.NoError(t, err)
	for _, f := range []string{controlSystem, currentLSN, fileName} {
		exec(t, database, "GRANT EXECUTE ON FUNCTION pg_catalog."+f+" TO PUBLIC")
	}
	n := storetest.Start(t, u)
	after, err := n.Epoch(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after)
	var complete bool
	require.NoError(t, storetest.Connect(t, database).QueryRow(t.Context(), `SELECT system_identifier <> 0 AND timeline <> '' FROM epoch`).Scan(&complete))
	require.True(t, complete)
	exec(t, database, `UPDATE epoch SET system_identifier = 7`)
	page, err := n.Feed(t.Context(), "")
	require.NoError(t, err)
	require.NotEqual(t, before, page.Epoch)
}

// A node needs no right to change the schema, if another role migrates it.
func TestNodeWithoutRightsOnTheSchema(t *testing.T) {
	t.Parallel()
	database := pgtest.New(t)
	u := limited(t, pgtest.NewEmpty(t)) // the role owns another database
	role, err := url.Parse(u)
	require.NoError(t, err)
	user := pgx.Identifier{role.User.Username()}.Sanitize()
	t.Cleanup(func() { drop(t, database, user) })
	exec(t, database, `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO `+user,
		`GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO `+user)
	config, err := pgx.ParseConfig(database)
	require.NoError(t, err)
	role.Path = "/" + config.Database
	require.NoError(t, postgres.Migrate(t.Context(), postgres.MigrateOptions{URL: role.String(), Logger: slog.New(slog.DiscardHandler)}), "there is nothing to migrate")
	n := storetest.Start(t, role.String())
	id := n.Group(t, "alice", "bob")
	n.Post(t, "alice", id, "m1", "word")
	n.WaitIndexed(t)
	require.Len(t, n.Found(t, "bob", "word"), 1)
	_, err = n.NewEpoch(t.Context())
	require.NoError(t, err)
}
