package environments

import (
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/internal/freeport"
	"im/test/eventually"
)

// pgBouncer is a PgBouncer before the PostgreSQL of the tests.
type pgBouncer struct {
	*serverProcess
	port int
}

// startPgBouncer starts a PgBouncer before the server of a database URL. settings are
// lines of its configuration.
func startPgBouncer(t testing.TB, database string, settings ...string) *pgBouncer {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
	}
	target, err := pgx.ParseConfig(database)
	require.NoError(t, err)
	port, err := freeport.Port()
	require.NoError(t, err)
	dir := serverDir(t)
	users := writeServerFile(t, dir, "users.txt", fmt.Sprintf("%q %q\n", target.User, target.Password))
	lines := append([]string{
		"[databases]",
		fmt.Sprintf("* = host=%s port=%d", target.Host, target.Port),
		"[pgbouncer]",
		"listen_addr = 127.0.0.1", fmt.Sprint("listen_port = ", port), "unix_socket_dir =",
		"auth_type = trust", "auth_file = " + users, "admin_users = " + target.User,
		"max_client_conn = 500", "server_login_retry = 1",
	}, settings...)
	config := writeServerFile(t, dir, "pgbouncer.ini", strings.Join(lines, "\n")+"\n")
	b := &pgBouncer{serverProcess: startServer(t, dir, exec.Command(program, config)), port: port}
	eventually.NoError(t, "PgBouncer answers (Debian: apt-get install pgbouncer)", func() error {
		conn, err := pgx.Connect(t.Context(), b.url(t, database, "dbname=pgbouncer"))
		if err == nil {
			err = conn.Close(t.Context())
		}
		return err
	})
	return b
}

// url returns the URL of a database through the PgBouncer. changes are parameters of the
// URL, name=value; dbname is the database.
func (b *pgBouncer) url(t testing.TB, database string, changes ...string) string {
	t.Helper()
	u, err := url.Parse(database)
	require.NoError(t, err)
	u.Host = fmt.Sprint("127.0.0.1:", b.port)
	query := u.Query()
	for _, change := range changes {
		name, value, _ := strings.Cut(change, "=")
		if name == "dbname" {
			u.Path = "/" + value
			continue
		}
		query.Set(name, value)
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// show runs a command of the console and returns the rows by column.
func (b *pgBouncer) show(t testing.TB, database, command string) (list []map[string]any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), b.url(t, database, "dbname=pgbouncer", "default_query_exec_mode=simple_protocol"))
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(t.Context(), command)
	require.NoError(t, err)
	list, err = pgx.CollectRows(rows, pgx.RowToMap)
	require.NoError(t, err)
	return list
}
