package postgres_test

import (
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

// with returns the URL with a parameter.
func with(t testing.TB, base, name, value string) string {
	t.Helper()
	u, err := url.Parse(base)
	require.NoError(t, err)
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	return u.String()
}

// count returns the number that a query returns.
func count(t testing.TB, url, sql string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, storetest.Connect(t, url).QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

// Everything that the store has is in the schema that the URL names.
func TestTablesInAnotherSchema(t *testing.T) {
	t.Parallel()
	for _, schema := range []string{"chat", `"My ""Chat""; x"`} {
		t.Run(schema, func(t *testing.T) {
			t.Parallel()
			database := pgtest.NewEmpty(t)
			log := slog.New(slog.DiscardHandler)
			u := with(t, database, "search_path", schema+", public")
			status, err := postgres.Migrations(t.Context(), u)
			require.NoError(t, err)
			require.Zero(t, status.Current)
			var starting sync.WaitGroup
			for range 4 {
				starting.Go(func() {
					if err := postgres.Migrate(t.Context(), postgres.MigrateOptions{URL: u, Logger: log}); err != nil {
						t.Error(err)
					}
				})
			}
			starting.Wait()
			status, err = postgres.Migrations(t.Context(), u)
			require.NoError(t, err)
			require.Equal(t, status.Latest, status.Current)

			n := storetest.Start(t, u)
			id := n.Group(t, "alice", "bob")
			n.Post(t, "alice", id, "m1", "straße one")
			n.Post(t, "bob", id, "m2", "straße two")
			_, err = n.Chat.React(t.Context(), storetest.User("bob"), id, 2, "👍")
			require.NoError(t, err)
			n.WaitIndexed(t)
			require.Len(t, n.Found(t, "bob", "strasse"), 2)
			page, err := n.Sync(t.Context(), domain.SyncQuery{User: "alice", Device: "d", Limit: 10})
			require.NoError(t, err)
			require.Len(t, page.Conversations, 1)
			_, err = n.NewEpoch(t.Context())
			require.NoError(t, err)
			requireNoDifference(t, n)
			require.Zero(t, count(t, database, `SELECT count(*) FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace WHERE nspname = 'public'`))
			require.Zero(t, count(t, database, `SELECT count(*) FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace WHERE nspname = 'public'`))

			// A second installation in the same database knows nothing of the first one.
			require.NoError(t, postgres.Migrate(t.Context(), postgres.MigrateOptions{URL: database, Logger: log}))
			other := storetest.Start(t, database)
			_, err = other.Chat.React(t.Context(), storetest.User("bob"), id, 2, "👍")
			require.ErrorIs(t, err, domain.ErrNotFound)
			for range status.Latest {
				require.NoError(t, postgres.MigrateDown(t.Context(), postgres.MigrateOptions{URL: u, Logger: log}))
			}
			require.NotZero(t, count(t, database, `SELECT count(*) FROM public.epoch`))
		})
	}
}

// A node has its name in application_name, and no more connections than it was given.
func TestConnectionsOfANode(t *testing.T) {
	t.Parallel()
	for parameters, most := range map[string]int{"": 10, "pool_max_conns=4": 4, "pool_max_conns=2": 2} {
		t.Run(parameters, func(t *testing.T) {
			t.Parallel()
			database := pgtest.New(t)
			u, name := database, "im/test"
			if parameters != "" {
				u, name = database+"&application_name=mine&"+parameters, "mine"
			}
			n := storetest.Start(t, u)
			id := n.Group(t, "alice", "bob")
			const senders = 40
			var busy sync.WaitGroup
			for sender := range senders {
				busy.Go(func() {
					for i := range 5 {
						if a := <-n.Send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: fmt.Sprint(sender, "-", i), Content: storetest.Text("x")}); a.Err != nil {
							t.Error(a.Err)
						}
						if _, err := n.Events(t.Context(), storetest.User("bob"), id, domain.Range{Limit: 5}); err != nil {
							t.Error(err)
						}
					}
				})
			}
			done := make(chan struct{})
			go func() { busy.Wait(); close(done) }()
			seen := 0
			eventually.True(t, "the connections are in use", func() bool {
				seen = max(seen, count(t, database, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1`, name))
				select {
				case <-done:
					return true
				default:
					return false
				}
			})
			require.Positive(t, seen)
			require.LessOrEqual(t, seen, most)
		})
	}
	_, err := postgres.Open(t.Context(), postgres.Options{URL: pgtest.New(t) + "&pool_max_conns=4", Connections: 5})
	require.ErrorIs(t, err, postgres.ErrConfig)
	require.ErrorContains(t, err, "IM_DATABASE_CONNECTIONS")
	_, err = postgres.Open(t.Context(), postgres.Options{URL: pgtest.New(t), Connections: 1})
	require.ErrorIs(t, err, postgres.ErrConfig)
}

// Settings of the URL are in effect, and the server's word on bad ones is passed on.
func TestSettingsOfTheURL(t *testing.T) {
	t.Parallel()
	database := pgtest.New(t)
	_, err := storetest.Connect(t, database).Exec(t.Context(), watchCommits)
	require.NoError(t, err)
	_, err = storetest.Connect(t, database).Exec(t.Context(), `CREATE OR REPLACE FUNCTION see_settings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO seen_settings SELECT s, current_setting(s) FROM unnest(ARRAY['work_mem', 'app.tenant', 'synchronous_commit']) s ON CONFLICT DO NOTHING;
	RETURN NULL;
END
$$`)
	require.NoError(t, err)
	n := storetest.Start(t, database+"&work_mem=7MB&options=-c%20app.tenant%3Dx&synchronous_commit=remote_apply")
	n.Post(t, "alice", n.Group(t, "alice", "bob"), "m", "x")
	require.Equal(t, 3, count(t, database, `SELECT count(*) FROM seen_settings
		WHERE (name, value) IN (('work_mem', '7MB'), ('app.tenant', 'x'), ('synchronous_commit', 'remote_apply'))`))
	for parameter, says := range map[string]string{"no_such_setting=1": "no_such_setting", "work_mem=much": "work_mem", "wal_level=minimal": "wal_level"} {
		_, err := postgres.Open(t.Context(), postgres.Options{URL: database + "&" + parameter})
		require.ErrorIs(t, err, postgres.ErrConfig, parameter)
		require.ErrorContains(t, err, says)
	}
}
