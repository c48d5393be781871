package environments

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/test/eventually"
	"im/test/improcess"
	"im/test/pgtest"
)

// poolSize is the number of sessions of the server that all nodes of a test share.
const poolSize = 4

// watchSettings makes the server record the settings of each transaction that commits
// events, as they are at the commit.
const watchSettings = `
CREATE TABLE seen_settings (name text, value text, UNIQUE (name, value));
CREATE FUNCTION see_settings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO seen_settings SELECT s, current_setting(s) FROM unnest(ARRAY['synchronous_commit', 'lock_timeout', 'search_path']) s
	ON CONFLICT DO NOTHING;
	RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER see_settings AFTER INSERT ON commits DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION see_settings()`

func execute(t testing.TB, database string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	for _, sql := range statements {
		_, err := conn.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
}

// alterDatabase sets a default of the database.
func alterDatabase(t testing.TB, database, setting string) {
	t.Helper()
	config, err := pgx.ParseConfig(database)
	require.NoError(t, err)
	execute(t, database, "ALTER DATABASE "+pgx.Identifier{config.Database}.Sanitize()+" SET "+setting)
}

// seenSettings returns what watchSettings has recorded.
func seenSettings(t testing.TB, database string) map[string][]string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(t.Context(), `SELECT name, value FROM seen_settings ORDER BY 1, 2`)
	require.NoError(t, err)
	seen := map[string][]string{}
	var name, value string
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		seen[name] = append(seen[name], value)
		return nil
	})
	require.NoError(t, err)
	return seen
}

// sessionSettings returns the settings of each session of the server behind a PgBouncer,
// as a transaction of another client finds them.
func sessionSettings(t testing.TB, b *pgBouncer, database string) (all []string) {
	t.Helper()
	for range poolSize {
		conn, err := pgx.Connect(t.Context(), b.url(t, database, "default_query_exec_mode=simple_protocol"))
		require.NoError(t, err)
		defer func() { _ = conn.Close(context.Background()) }()
		tx, err := conn.Begin(t.Context()) // so that each connection has another session
		require.NoError(t, err)
		defer func() { _ = tx.Rollback(context.Background()) }()
		var settings string
		require.NoError(t, tx.QueryRow(t.Context(), `SELECT coalesce(string_agg(name || '=' || setting, ' ' ORDER BY name), '') FROM pg_settings
			WHERE name <> 'application_name' AND source IN ('session', 'client') AND name NOT IN
				('client_encoding', 'standard_conforming_strings', 'DateStyle', 'TimeZone')`).Scan(&settings))
		all = append(all, settings)
	}
	return all
}

// Nodes behind PgBouncer, as Debian 12 has it: no prepared statements of clients. In
// transaction mode a few sessions of the server are shared by many connections of two
// nodes, whose migrations go to the server itself.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	for mode, size := range map[string]int{"transaction": poolSize, "session": 40} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			database := pgtest.NewEmpty(t)
			b := startPgBouncer(t, database, "pool_mode = "+mode, fmt.Sprint("default_pool_size = ", size))
			alterDatabase(t, database, "synchronous_commit = off")
			env := []string{"IM_DATABASE_URL=" + b.url(t, database)}
			if mode == "transaction" {
				env = append(env, "IM_DATABASE_DIRECT_URL="+database)
			}
			c := newTestCluster(t, env...)
			one := c.node("one")
			execute(t, database, watchSettings)
			// The schema is complete: there is no migration, and no need of a session.
			second := []string{"IM_DATABASE_DIRECT_URL="}
			if mode == "session" { // which keeps prepared statements
				second = append(second, "IM_DATABASE_URL="+b.url(t, database, "default_query_exec_mode=cache_statement"))
			}
			two := c.node("two", second...)
			one.AwaitOutput("connection pooler")
			requireConversation(t, one, two)
			c.verify([]string{"--duration", "6s", "--rate", "150", "--users", "30"}, one, two)

			require.Equal(t, map[string][]string{"synchronous_commit": {"on"}, "lock_timeout": {"1s"}, "search_path": {"public"}},
				seenSettings(t, database))
			if mode == "transaction" {
				requireShared(t, b, database)
			}
			for _, n := range []*improcess.Process{one, two} {
				n.Stop()
				require.NotContains(t, n.Output(), `"level":"ERROR"`)
				require.NotContains(t, n.Output(), "prepared statement")
			}
		})
	}
}

// requireShared checks that connections shared the sessions of the server, and that the
// sessions have no settings of the nodes.
func requireShared(t *testing.T, b *pgBouncer, database string) {
	t.Helper()
	config, err := pgx.ParseConfig(database)
	require.NoError(t, err)
	for _, pool := range b.show(t, database, "SHOW POOLS") {
		if pool["database"] != config.Database {
			continue
		}
		clients := fmt.Sprint(pool["cl_active"], " active, ", pool["cl_waiting"], " waiting")
		t.Logf("%s clients, %v + %v sessions of the server", clients, pool["sv_active"], pool["sv_idle"])
	}
	for _, settings := range sessionSettings(t, b, database) {
		require.Empty(t, settings, "settings of a node are left in a shared session")
	}
}

// A missing database is created through the pooler too.
func TestPgBouncerMissingDatabase(t *testing.T) {
	t.Parallel()
	s := startPostgres(t)
	through := startPgBouncer(t, s.url("postgres"), "pool_mode = session")
	requireConversation(t, newTestCluster(t, "IM_DATABASE_URL="+through.url(t, s.url("made"))).node("one"))
}

// A migration holds a lock across transactions.
func TestPgBouncerMigrationsNeedASession(t *testing.T) {
	t.Parallel()
	database := pgtest.NewEmpty(t)
	b := startPgBouncer(t, database, "pool_mode = transaction")
	c := newTestCluster(t, "IM_DATABASE_URL="+b.url(t, database))
	said := c.refused()
	require.Contains(t, said, "IM_DATABASE_URL")
	require.Contains(t, said, "set IM_DATABASE_DIRECT_URL")

	p := improcess.Start(t, binary, []string{"IM_DATABASE_URL=" + b.url(t, database), "IM_DATABASE_DIRECT_URL=" + database}, "migrate", "up")
	require.NoError(t, p.Wait(), "%s", p.Output())
	p = improcess.Start(t, binary, []string{"IM_DATABASE_URL=" + b.url(t, database)}, "migrate", "status")
	require.NoError(t, p.Wait(), "reading the version needs no session: %s", p.Output())
	require.Contains(t, p.Output(), "up to date")
	requireConversation(t, c.node("one"))
}

// What a pooler makes impossible is refused at the start, with what to change.
func TestPgBouncerRefusals(t *testing.T) {
	t.Parallel()
	database := pgtest.New(t)
	b := startPgBouncer(t, database, "pool_mode = transaction", "default_pool_size = 10")
	c := newTestCluster(t)
	for parameters, says := range map[string][]string{
		"default_query_exec_mode=cache_statement": {"does not keep prepared statements", "default_query_exec_mode"},
		"default_query_exec_mode=describe_exec":   {"default_query_exec_mode", "cache_describe"},
		"default_query_exec_mode=exec":            {"default_query_exec_mode", "cache_describe"},
		"default_query_exec_mode=simple_protocol": {"default_query_exec_mode", "cache_describe"},
		"search_path=chat":                        {"no schema", "im migrate up"},
		"no_such_setting=1":                       {"no_such_setting"},
	} {
		said := c.refused("IM_DATABASE_URL="+b.url(t, database, parameters), "IM_MIGRATE=off", "IM_START_TIMEOUT=5s")
		for _, text := range append(says, "IM_DATABASE_URL") {
			require.Contains(t, said, text, parameters)
		}
	}
	statements := startPgBouncer(t, database, "pool_mode = statement")
	require.Contains(t, c.refused("IM_DATABASE_URL="+statements.url(t, database), "IM_MIGRATE=off"), "transaction pooling")

	for _, setting := range []string{"default_transaction_isolation = serializable", "default_transaction_read_only = on"} {
		other := pgtest.New(t)
		alterDatabase(t, other, setting)
		name, _, _ := strings.Cut(setting, " ")
		said := c.refused("IM_DATABASE_URL="+b.url(t, other), "IM_MIGRATE=off")
		require.Contains(t, said, name)
		require.Contains(t, said, "ALTER ROLE")
	}
}

// Parameters of the URL hold behind a pooler too, in each transaction, and so does another
// schema.
func TestPgBouncerParameters(t *testing.T) {
	t.Parallel()
	database := pgtest.NewEmpty(t)
	b := startPgBouncer(t, database, "pool_mode = transaction", fmt.Sprint("default_pool_size = ", poolSize))
	parameters := "search_path=chat&work_mem=7MB&pool_max_conns=5&application_name=mine"
	inChat := database + "&search_path=chat"
	direct, through := database+"&"+parameters, b.url(t, database)+"&"+parameters
	c := newTestCluster(t, "IM_DATABASE_URL="+through, "IM_DATABASE_DIRECT_URL="+direct)
	one := c.node("one")
	execute(t, inChat, strings.Replace(watchSettings, "'search_path'", "'search_path', 'work_mem', 'application_name'", 1))
	requireConversation(t, one)
	seen := seenSettings(t, inChat)
	require.Equal(t, map[string][]string{
		"synchronous_commit": {"on"}, "lock_timeout": {"1s"}, "search_path": {"chat"}, "work_mem": {"7MB"}, "application_name": {"mine"},
	}, seen, "%v", slices.Sorted(maps.Keys(seen)))
	clients := 0
	for _, one := range b.show(t, database, "SHOW CLIENTS") {
		if one["application_name"] == "mine" {
			clients++
		}
	}
	require.LessOrEqual(t, clients, 5)
	require.Positive(t, clients)
}

// PgBouncer switches to another server without closing its clients' connections, as after
// a failover. A node writes nothing there before it has checked the epoch.
func TestPgBouncerGoesOverToAnotherServer(t *testing.T) {
	t.Parallel()
	primary := startPostgres(t, "synchronous_commit = on")
	database := primary.url("im")
	b := startPgBouncer(t, database, "pool_mode = transaction", fmt.Sprint("default_pool_size = ", poolSize))
	c := newTestCluster(t, "IM_DATABASE_URL="+b.url(t, database), "IM_DATABASE_DIRECT_URL="+database)
	one := c.node("one")
	requireConversation(t, one)
	standby := primary.standby()
	alice := connectDevice(t, "alice", one)
	bob := connectDevice(t, "bob", one)
	group, err := alice.CreateGroup(t.Context(), newGroup(bob))
	require.NoError(t, err)
	id := group.ConversationID
	send(t, alice, id, "kept")
	standby.awaitReplay(primary)
	standby.stop()
	send(t, alice, id, "lost")
	primary.stop() // its last commits have not reached the standby
	standby.start()
	standby.promote()
	standby.takeOver(primary) // at the address that PgBouncer knows
	send(t, alice, id, "after")
	for _, d := range []*device{alice, bob} {
		eventually.NoError(t, "the epoch has changed, and the log of the new server arrives", func() error {
			d.mu.Lock()
			resets := d.resets
			d.mu.Unlock()
			if texts := fmt.Sprint(d.texts(id)); resets == 0 || texts != "[kept after]" {
				return fmt.Errorf("%d resets, and %s", resets, texts)
			}
			return nil
		})
	}
	one.AwaitOutput("a new epoch has begun")
	var early int
	conn, err := pgx.Connect(t.Context(), database)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	require.NoError(t, conn.QueryRow(t.Context(),
		`SELECT count(*) FROM events, epoch WHERE body ->> 'content' LIKE '%after%' AND at < since`).Scan(&early))
	require.Zero(t, early, "written on the new server before the epoch was checked there")
}
