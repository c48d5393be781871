package postgres_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres"
	"im/test/eventually"
	"im/test/pgtest"
	"im/test/storetest"
)

// alterDatabase sets a default of a database.
func alterDatabase(t testing.TB, url, setting string) {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	require.NoError(t, err)
	_, err = storetest.Connect(t, url).Exec(t.Context(), "ALTER DATABASE "+pgx.Identifier{config.Database}.Sanitize()+" SET "+setting)
	require.NoError(t, err)
}

// watchCommits makes the server record, at the commit of each append, settings that the
// guarantees depend on.
const watchCommits = `
CREATE TABLE public.seen_settings (name text, value text, UNIQUE (name, value));
CREATE FUNCTION public.see_settings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.seen_settings SELECT s, current_setting(s)
	FROM unnest(ARRAY['synchronous_commit', 'transaction_isolation', 'lock_timeout', 'statement_timeout']) s ON CONFLICT DO NOTHING;
	RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER see_settings AFTER INSERT ON public.commits DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION public.see_settings()`

// Defaults of the server, the database or the role that an operator may have set for
// other programs. Each of them, but for the harmless ones, would break a guarantee.
func TestGuaranteesHoldWithAnyDefaults(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{
		"synchronous_commit = off", "synchronous_commit = local", "synchronous_commit = remote_write", "synchronous_commit = remote_apply",
		"default_transaction_isolation = serializable", "default_transaction_isolation = 'repeatable read'",
		"default_transaction_read_only = on", "default_transaction_deferrable = on",
		"statement_timeout = 200", "lock_timeout = 1", "idle_in_transaction_session_timeout = 1", "idle_session_timeout = 20",
		"timezone = 'Pacific/Kiritimati'", "datestyle = 'SQL, DMY'", "intervalstyle = sql_standard", "bytea_output = escape",
		"extra_float_digits = -15", "array_nulls = off", "transform_null_equals = on", "standard_conforming_strings = off",
		"client_encoding = LATIN1", "client_min_messages = error", "search_path = ''", "search_path = nowhere, pg_temp",
		"gin_fuzzy_search_limit = 1", "row_security = off", "plan_cache_mode = force_custom_plan", "jit_above_cost = 0",
		"enable_indexscan = off", "force_parallel_mode = on", "default_toast_compression = pglz", "check_function_bodies = off",
		"default_table_access_method = heap", "default_tablespace = pg_default", "quote_all_identifiers = on", "backslash_quote = off",
		"xmloption = document", "work_mem = '64kB'", "lc_messages = 'C.utf8'", "plpgsql.variable_conflict = use_variable",
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			url := pgtest.NewEmpty(t)
			alterDatabase(t, url, setting)
			requireGuarantees(t, url, setting)
		})
	}
}

func requireGuarantees(t *testing.T, url, setting string) {
	t.Helper()
	eventually.NoError(t, "the migrations, though the server may end a session before it has its settings", func() error {
		err := postgres.Migrate(t.Context(), postgres.MigrateOptions{URL: url, Logger: slog.New(slog.DiscardHandler)})
		if err != nil && !errors.Is(err, domain.ErrUnavailable) {
			require.NoError(t, err)
		}
		return err
	})
	conn := storetest.ConnectUnaffected(t, url)
	_, err := conn.Exec(t.Context(), watchCommits)
	require.NoError(t, err)

	nodes := []*storetest.Node{storetest.Start(t, url), storetest.Start(t, url)}
	id := nodes[0].Group(t, "alice", "bob", "Zoe")
	var posting sync.WaitGroup
	for i, n := range nodes {
		posting.Go(func() {
			for m := range 10 { // each message from both nodes
				a := <-n.Send(t.Context(), "alice", domain.Post{ConversationID: id, ClientMsgID: fmt.Sprint(m), Content: storetest.Text(fmt.Sprintf("straße \\ '北京' word%d", m))})
				if a.Err != nil {
					t.Errorf("node %d: %v", i, a.Err)
				}
			}
		})
	}
	posting.Wait()
	require.Len(t, nodes[0].Log(t, id), 11, "each message is in the log once")
	_, err = nodes[1].Chat.React(t.Context(), storetest.User("bob"), id, 2, "👍")
	require.NoError(t, err)
	_, err = nodes[0].Edit("alice", id, 3, "edited word1", "bob")
	require.NoError(t, err)
	_, err = nodes[0].Recall("alice", id, 4)
	require.NoError(t, err)
	nodes[0].WaitIndexed(t)
	require.Len(t, nodes[0].Found(t, "bob", "北京"), 8)
	requireNoDifference(t, nodes[0])

	want := map[string]string{"synchronous_commit": "on", "transaction_isolation": "read committed", "lock_timeout": "1s", "statement_timeout": "0"}
	if strings.HasSuffix(setting, "remote_apply") {
		want["synchronous_commit"] = "remote_apply"
	}
	rows, err := conn.Query(t.Context(), `SELECT name, value FROM public.seen_settings
		WHERE name <> 'statement_timeout' OR value <> '5s'`) // that of conversations that are created
	require.NoError(t, err)
	seen := map[string]string{}
	var name, value string
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		seen[name] += value
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, want, seen, "the settings of transactions that append")
}

func requireNoDifference(t *testing.T, n *storetest.Node) {
	t.Helper()
	_, err := n.Rebuild(t.Context(), postgres.RebuildOptions{
		Verify: true, Progress: func(postgres.RebuildProgress) {},
		Found: func(d postgres.Difference) { t.Errorf("a projection differs: %+v", d) },
	})
	require.NoError(t, err)
	require.NoError(t, n.VerifySearch(t.Context(), func(int64, int64) {}, func(d postgres.SearchDifference) { t.Errorf("the search index differs: %+v", d) }))
}
