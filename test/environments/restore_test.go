package environments

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/internal/auth"
	"im/test/eventually"
	"im/test/improcess"
	"im/test/pgtest"
)

// The columns "changed" hold ids of transactions. A dump takes them to a server that may
// be far from there with its own ids, in either direction. The first sync after the restore lists
// everything; from then on a sync lists what changed, and nothing else.
func TestRestoreIntoAnotherServer(t *testing.T) {
	t.Parallel()
	for name, lower := range map[string]bool{"transaction ids are lower there": true, "transaction ids are higher there": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, to := pgtest.New(t), startDatabaseServer(t)
			if !lower {
				from, to = to, pgtest.NewEmpty(t)
			}
			// Two servers that are new have nearly the same ids.
			raiseTransactions(t, pgtest.NewEmpty(t), nextTransaction(t, startOf(lower, from, to))+500)
			old := newRestoreCluster(t, from)
			ids := old.fill()
			before := old.sync("")
			require.Len(t, before.Conversations, len(ids))
			epoch := before.Epoch
			old.node.Stop()
			last := nextTransaction(t, from)
			if lower {
				require.Less(t, nextTransaction(t, to), last-200)
			} else {
				require.Greater(t, nextTransaction(t, to), last+200)
			}
			restoreDatabase(t, to, dumpDatabase(t, from, "--no-owner"))

			c := newRestoreCluster(t, to)
			status, refused := c.call("bob", http.MethodGet, syncPath(before.Cursor), nil)
			require.Equal(t, http.StatusGone, status, "a cursor of the former server: %s", refused)
			require.Contains(t, string(refused), domain.CodeCursorInvalid)
			first := c.sync("")
			require.NotEqual(t, epoch, first.Epoch)
			require.Len(t, first.Conversations, len(ids))
			c.requireOnlyChangesAreListed(first.Cursor, ids)

			// Later, the server has transactions with the ids of the dump.
			cursor := c.sync("").Cursor
			raiseTransactions(t, to, last)
			c.requireOnlyChangesAreListed(cursor, ids)
			c.requireVerified()
		})
	}
}

// startOf returns the database on the server of the test's own.
func startOf(lower bool, from, to string) string {
	if lower {
		return to
	}
	return from
}

// An upgrade of PostgreSQL by logical replication: the nodes run while the new server copies
// all rows, and follows until they stop.
func TestLogicalReplicationIntoAnotherServer(t *testing.T) {
	t.Parallel()
	from, to := startDatabaseServer(t, "wal_level=logical"), startDatabaseServer(t)
	old := newRestoreCluster(t, from)
	ids := old.fill()
	raiseTransactions(t, from, nextTransaction(t, to)+2000)
	runSQL(t, from, "CREATE PUBLICATION im FOR ALL TABLES", "SELECT pg_create_logical_replication_slot('im', 'pgoutput')")
	restoreDatabase(t, to, dumpDatabase(t, from, "--no-owner", "--no-publications", "--schema-only"))
	runSQL(t, to, "CREATE SUBSCRIPTION im CONNECTION '"+connectionKeywords(t, from)+"' PUBLICATION im WITH (create_slot = false, slot_name = 'im')")
	old.post(ids[0], "while the new server copies")
	runSQL(t, from, "UPDATE commits SET at = at - interval '7 hours'", "DELETE FROM commits WHERE at < now() - interval '6 hours'")
	before := old.sync("")
	old.node.Stop()
	eventually.True(t, "the new server has everything", func() bool {
		return querySQL[bool](t, to, "SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel") &&
			querySQL[bool](t, from, "SELECT confirmed_flush_lsn >= pg_current_wal_lsn() FROM pg_replication_slots")
	})
	runSQL(t, to, "DROP SUBSCRIPTION im")

	c := newRestoreCluster(t, to)
	status, refused := c.call("bob", http.MethodGet, syncPath(before.Cursor), nil)
	require.Equal(t, http.StatusGone, status, "%s", refused)
	first := c.sync("")
	require.NotEqual(t, before.Epoch, first.Epoch)
	require.Len(t, first.Conversations, len(ids))
	c.requireOnlyChangesAreListed(first.Cursor, ids)
	c.requireVerified()
}

// The log comes back in an earlier state, on the same server and while no node runs: only
// the database itself can show it.
func TestRestoreIntoTheSameServer(t *testing.T) {
	t.Parallel()
	server := pgtest.NewEmpty(t)
	admin := func(t *testing.T, format, name string) {
		runSQL(t, server, strings.ReplaceAll(format, "$", name))
	}
	for name, restore := range map[string]func(t *testing.T, database, url string, dump func(...string) []byte) (back func()){
		"the database dropped and made again": func(t *testing.T, database, url string, dump func(...string) []byte) func() {
			text := dump("--no-owner")
			return func() {
				admin(t, `DROP DATABASE "$"`, database)
				admin(t, `CREATE DATABASE "$"`, database)
				restoreDatabase(t, url, text)
			}
		},
		"its tables dropped and made again": func(t *testing.T, _, url string, dump func(...string) []byte) func() {
			text := dump("--no-owner", "--clean", "--if-exists")
			return func() { restoreDatabase(t, url, text) }
		},
		"only its rows": func(t *testing.T, _, url string, dump func(...string) []byte) func() {
			text := dump("--no-owner", "--data-only")
			return func() {
				tables := querySQL[string](t, url, `SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables WHERE schemaname = 'public'`)
				runSQL(t, url, "TRUNCATE "+tables)
				restoreDatabase(t, url, text)
			}
		},
		"a copy made from it as a template takes its place": func(t *testing.T, database, _ string, _ func(...string) []byte) func() {
			admin(t, `CREATE DATABASE "$_copy" TEMPLATE "$"`, database)
			return func() {
				admin(t, `DROP DATABASE "$"`, database)
				admin(t, `ALTER DATABASE "$_copy" RENAME TO "$"`, database)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := pgtest.New(t)
			database := querySQL[string](t, target, "SELECT current_database()")
			old := newRestoreCluster(t, target)
			ids := old.fill()
			before := old.sync("")
			old.node.Stop()
			restored := restore(t, database, target, func(args ...string) []byte { return dumpDatabase(t, target, args...) })

			lost := newRestoreCluster(t, target)
			require.Equal(t, before.Epoch, lost.sync("").Epoch, "a stop and a start change nothing")
			lost.post(ids[0], "lost")
			lost.node.Stop()
			restored()

			c := newRestoreCluster(t, target)
			status, refused := c.call("bob", http.MethodGet, syncPath(before.Cursor), nil)
			require.Equal(t, http.StatusGone, status, "%s", refused)
			first := c.sync("")
			require.NotEqual(t, before.Epoch, first.Epoch)
			require.Len(t, first.Conversations, len(ids))
			c.requireOnlyChangesAreListed(first.Cursor, ids)
			c.requireVerified()

			c.node.Stop()
			c = newRestoreCluster(t, target)
			require.Equal(t, first.Epoch, c.sync("").Epoch, "one new epoch for one restore")
		})
	}
}

// After im epoch new, which an operator runs where nothing shows a restore, the repair
// of the rows runs too.
func TestEpochNewAfterARestore(t *testing.T) {
	t.Parallel()
	target := pgtest.New(t)
	c := newRestoreCluster(t, target)
	ids := c.fill()
	before := c.sync("")
	c.node.Stop()
	runSQL(t, target, `UPDATE conversations SET changed = '1099511627783'`, `UPDATE members SET changed = '1099511627783'`)
	command := exec.Command(binary, "epoch", "new")
	command.Env = append(command.Environ(), c.env...)
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)

	c = newRestoreCluster(t, target)
	first := c.sync("")
	require.NotEqual(t, before.Epoch, first.Epoch)
	c.requireOnlyChangesAreListed(first.Cursor, ids)
	eventually.True(t, "all rows are repaired", func() bool {
		return querySQL[int](t, target, `SELECT (SELECT count(*) FROM conversations WHERE changed = '1099511627783')
			+ (SELECT count(*) FROM members WHERE changed = '1099511627783')`) == 0
	})
}

// restoreCluster is a cluster of one node on a database.
type restoreCluster struct {
	t    *testing.T
	env  []string
	node *improcess.Process
}

const restoreSecret = "a secret of the tests, 32 bytes long or more"

func newRestoreCluster(t *testing.T, database string) *restoreCluster {
	t.Helper()
	c := &restoreCluster{t: t, env: []string{
		"IM_DATABASE_URL=" + database, "IM_PREFIX=restore-" + uuid.NewString()[:8], "IM_JWT_SECRET=" + restoreSecret,
	}}
	for _, service := range []string{"REDIS", "AMQP"} {
		if value := testServiceURL(service); value != "" {
			c.env = append(c.env, "IM_"+service+"_URL="+value)
		}
	}
	c.node = improcess.Serve(t, binary, c.env...)
	c.node.AwaitReady()
	return c
}

// call makes a REST call as a user and returns the status and the body of the answer.
func (c *restoreCluster) call(user domain.UserID, method, path string, body any) (int, []byte) {
	c.t.Helper()
	token, err := auth.Sign(restoreSecret, user, auth.Grant{TTL: time.Hour})
	require.NoError(c.t, err)
	var data []byte
	if body != nil {
		data, err = json.Marshal(body)
		require.NoError(c.t, err)
	}
	request, err := http.NewRequestWithContext(context.Background(), method, c.node.URL+path, bytes.NewReader(data))
	require.NoError(c.t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(c.t, err)
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	return response.StatusCode, answer
}

// fill makes groups with messages, and one that bob has left. It returns those that bob is in.
func (c *restoreCluster) fill() (ids []domain.ConversationID) {
	c.t.Helper()
	for i := range 5 {
		status, body := c.call("alice", http.MethodPost, "/v1/conversations",
			map[string]any{"kind": "group", "title": fmt.Sprint("group ", i), "members": []string{"bob"}})
		require.Equal(c.t, http.StatusCreated, status, "%s", body)
		var view domain.ConversationView
		require.NoError(c.t, json.Unmarshal(body, &view))
		ids = append(ids, view.ConversationID)
		c.post(view.ConversationID, "hello")
	}
	status, body := c.call("bob", http.MethodDelete, "/v1/conversations/"+ids[4].String()+"/members/bob", nil)
	require.Equal(c.t, http.StatusOK, status, "%s", body)
	return ids[:4]
}

func (c *restoreCluster) post(id domain.ConversationID, text string) {
	c.t.Helper()
	status, body := c.call("alice", http.MethodPost, "/v1/conversations/"+id.String()+"/messages",
		map[string]any{"client_msg_id": uuid.NewString(), "content": map[string]string{"type": "text", "text": text}})
	require.Equal(c.t, http.StatusCreated, status, "%s", body)
}

func syncPath(cursor string) string {
	if cursor == "" {
		return "/v1/sync"
	}
	return "/v1/sync?cursor=" + url.QueryEscape(cursor)
}

// sync returns the only page of a sync of bob.
func (c *restoreCluster) sync(cursor string) (page domain.SyncPage) {
	c.t.Helper()
	status, body := c.call("bob", http.MethodGet, syncPath(cursor), nil)
	require.Equal(c.t, http.StatusOK, status, "%s", body)
	require.NoError(c.t, json.Unmarshal(body, &page))
	require.True(c.t, page.Done)
	return page
}

// requireOnlyChangesAreListed requires that a sync from cursor is empty, and that after a
// message to one conversation, the next sync lists that conversation only.
func (c *restoreCluster) requireOnlyChangesAreListed(cursor string, ids []domain.ConversationID) {
	c.t.Helper()
	for range 2 {
		page := c.sync(cursor)
		require.Empty(c.t, page.Conversations, "nothing has changed")
		require.Empty(c.t, page.Removed)
		cursor = page.Cursor
	}
	for _, id := range ids[:2] {
		c.post(id, "news")
		page := c.sync(cursor)
		require.Len(c.t, page.Conversations, 1)
		require.Equal(c.t, id, page.Conversations[0].ConversationID)
		require.Empty(c.t, page.Removed)
		cursor = page.Cursor
	}
}

// requireVerified requires that the projections equal the log.
func (c *restoreCluster) requireVerified() {
	c.t.Helper()
	eventually.NoError(c.t, "the search index follows the log", func() error {
		command := exec.Command(binary, "rebuild", "--verify")
		command.Env = append(command.Environ(), c.env...)
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, output)
		}
		return nil
	})
}
