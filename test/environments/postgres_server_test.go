package environments

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/internal/freeport"
	"im/test/eventually"
)

// postgresServer is a PostgreSQL server of one test.
type postgresServer struct {
	*serverProcess
	dir  string // of the data
	port int
}

// startPostgres creates and starts a server. settings are lines of its configuration,
// after the flags of initdb, which begin with --.
func startPostgres(t testing.TB, settings ...string) *postgresServer {
	t.Helper()
	s := newPostgres(t)
	flags := []string{"--pgdata", s.dir, "--username", "postgres", "--auth", "trust", "--no-sync", "--no-instructions"}
	given := map[string]bool{}
	for len(settings) > 0 && strings.HasPrefix(settings[0], "--") {
		name, _, _ := strings.Cut(settings[0], "=")
		given[name] = true
		flags = append(flags, settings[0])
		settings = settings[1:]
	}
	if !given["--encoding"] {
		flags = append(flags, "--encoding=UTF8", "--locale=C")
	}
	s.runProgram("initdb", flags...)
	writeServerFile(t, s.dir, "im.conf", strings.Join(append([]string{
		"listen_addresses = '127.0.0.1'", "unix_socket_directories = ''", "max_connections = 120", "fsync = off", "shared_buffers = 16MB",
	}, settings...), "\n")+"\n")
	s.runProgram("initdb", "--version") // fails early if the user cannot run it
	s.appendConfig("include_if_exists 'im.conf'")
	s.start()
	return s
}

func newPostgres(t testing.TB) *postgresServer {
	t.Helper()
	port, err := freeport.Port()
	require.NoError(t, err)
	return &postgresServer{serverProcess: &serverProcess{t: t}, dir: filepath.Join(serverDir(t), "data"), port: port}
}

// postgresProgram returns the path of a program of PostgreSQL.
func postgresProgram(t testing.TB, name string) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) > 0 {
		slices.Sort(found)
		return found[len(found)-1]
	}
	path, err := exec.LookPath(name)
	require.NoError(t, err, "these tests need the programs of PostgreSQL")
	return path
}

// runProgram runs a program of PostgreSQL to its end.
func (s *postgresServer) runProgram(name string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(postgresProgram(s.t, name), args...)
	asPostgres(s.t, cmd)
	cmd.Dir = filepath.Dir(s.dir)
	out, err := cmd.CombinedOutput()
	require.NoError(s.t, err, "%s %v: %s", name, args, out)
}

func (s *postgresServer) appendConfig(line string) {
	s.t.Helper()
	cmd := exec.Command("sh", "-c", "echo \"$1\" >> postgresql.conf", "sh", line)
	asPostgres(s.t, cmd)
	cmd.Dir = s.dir
	out, err := cmd.CombinedOutput()
	require.NoError(s.t, err, "%s", out)
}

// start starts the server and waits until it answers.
func (s *postgresServer) start() {
	s.t.Helper()
	cmd := exec.Command(postgresProgram(s.t, "postgres"), "-D", s.dir, "-p", fmt.Sprint(s.port))
	s.serverProcess = startServer(s.t, filepath.Dir(s.dir), cmd)
	eventually.NoError(s.t, "PostgreSQL answers", func() error {
		conn, err := pgx.Connect(context.Background(), s.url("postgres"))
		if err == nil {
			err = conn.Close(context.Background())
		}
		return err
	})
}

// stop stops the server at once, as a crash does.
func (s *postgresServer) stop() { s.end(syscall.SIGQUIT) }

func (s *postgresServer) address() string { return fmt.Sprint("127.0.0.1:", s.port) }

// url returns the URL of a database.
func (s *postgresServer) url(database string) string {
	return "postgres://postgres@" + s.address() + "/" + url.PathEscape(database) + "?sslmode=disable"
}

// standby starts a server that replicates from this one.
func (s *postgresServer) standby() *postgresServer {
	s.t.Helper()
	copied := newPostgres(s.t)
	copied.runProgram("pg_basebackup", "--pgdata", copied.dir, "--host=127.0.0.1", fmt.Sprint("--port=", s.port), "--username=postgres",
		"--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", "--no-sync")
	copied.start()
	return copied
}

// query returns the only value of a query in the database postgres.
func (s *postgresServer) query(sql string) (value string) {
	s.t.Helper()
	conn, err := pgx.Connect(context.Background(), s.url("postgres"))
	require.NoError(s.t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	require.NoError(s.t, conn.QueryRow(context.Background(), sql).Scan(&value), sql)
	return value
}

// awaitReplay waits until the standby has everything that the primary has written.
func (s *postgresServer) awaitReplay(primary *postgresServer) {
	s.t.Helper()
	written := primary.query(`SELECT pg_current_wal_flush_lsn()::text`)
	eventually.True(s.t, "the standby has replayed the log", func() bool {
		return s.query(`SELECT (pg_last_wal_replay_lsn() >= '`+written+`'::pg_lsn)::text`) == "true"
	})
}

// promote makes the standby the primary.
func (s *postgresServer) promote() {
	s.t.Helper()
	require.Equal(s.t, "true", s.query(`SELECT pg_promote(true, 60)::text`))
}

// takeOver restarts the server at the address of another one, which has ended.
func (s *postgresServer) takeOver(other *postgresServer) {
	s.t.Helper()
	s.end(syscall.SIGINT)
	s.port = other.port
	s.start()
}

// hangingServer returns the address of a server that accepts connections and never
// answers.
func hangingServer(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var accepted []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted = append(accepted, conn)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
		for _, conn := range accepted {
			_ = conn.Close()
		}
	})
	return l.Addr().String()
}
