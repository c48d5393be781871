package devservices

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/test/leaktest"
)

// childDir is a variable that makes the test binary run a server in the folder that it
// names, until it is killed. Some tests need such another process.
const childDir = "IM_TEST_DEVSERVICES_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir))
	}
	leaktest.Main(m)
}

func child(dir string) int {
	pg, err := Open(context.Background(), Options{Dir: dir})
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	fmt.Println(pg.URL())
	<-pg.Done()
	return 1
}

// shortDir returns a temporary folder with a short path that other users can enter,
// unlike that of t.TempDir.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "imt")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func open(t *testing.T, o Options) *Postgres {
	t.Helper()
	pg, err := Open(t.Context(), o)
	require.NoError(t, err)
	return pg
}

// query returns the one value of a query.
func query(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	var result string
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&result))
	return result
}

const (
	alive  = `SELECT 'ok'`
	insert = `DO $$ BEGIN CREATE TABLE kept (word text); INSERT INTO kept VALUES ('still here'); END $$`
	stored = `SELECT word FROM kept`
)

// storeWord stores a row that stored reads.
func storeWord(t *testing.T, url string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(t.Context(), insert)
	require.NoError(t, err)
}

func TestOpen(t *testing.T) {
	t.Run("keeps data between runs", func(t *testing.T) {
		o := Options{Dir: shortDir(t)}
		pg := open(t, o)
		storeWord(t, pg.URL())
		require.NoError(t, pg.Close())
		pg = open(t, o)
		require.Equal(t, "still here", query(t, pg.URL(), stored))
		require.NoError(t, pg.Close())
	})
	t.Run("works with a path that is too long for a socket", func(t *testing.T) {
		dir := filepath.Join(shortDir(t), strings.Repeat("long/", 30))
		pg := open(t, Options{Dir: dir})
		require.Equal(t, "ok", query(t, pg.URL(), alive))
		socket := pg.socket
		require.NoError(t, pg.Close())
		require.NoDirExists(t, socket)
	})
	t.Run("runs two at the same time in different folders", func(t *testing.T) {
		a, b := open(t, Options{Dir: shortDir(t)}), open(t, Options{Dir: shortDir(t)})
		storeWord(t, a.URL())
		require.Equal(t, "0", query(t, b.URL(), `SELECT count(*)::text FROM pg_tables WHERE tablename = 'kept'`))
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
	})
	t.Run("refuses a folder in use", func(t *testing.T) {
		o := Options{Dir: shortDir(t)}
		pg := open(t, o)
		_, err := Open(t.Context(), o)
		require.ErrorIs(t, err, ErrInUse)
		require.Equal(t, "ok", query(t, pg.URL(), alive))
		require.NoError(t, pg.Close())
	})
	t.Run("is durable and uses UTF-8, order by code point and UTC", func(t *testing.T) {
		t.Setenv("TZ", "Asia/Kathmandu")
		t.Setenv("PGPORT", "9")
		t.Setenv("LC_ALL", "de_DE.UTF-8")
		pg := open(t, Options{Dir: shortDir(t)})
		require.Equal(t, "on on UTF8 C UTC", query(t, pg.URL(),
			`SELECT concat_ws(' ', current_setting('fsync'), current_setting('synchronous_commit'), current_setting('server_encoding'),
			        (SELECT datcollate FROM pg_database WHERE datname = current_database()), current_setting('timezone'))`))
		require.NoError(t, pg.Close())
	})
	t.Run("listens on no port and admits no other user", func(t *testing.T) {
		pg := open(t, Options{Dir: shortDir(t)})
		require.Equal(t, "", query(t, pg.URL(), `SELECT current_setting('listen_addresses')`))
		info, err := os.Stat(pg.socket)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
		require.NoError(t, pg.Close())
	})
	t.Run("names the setting of a bad folder of programs", func(t *testing.T) {
		_, err := Open(t.Context(), Options{Dir: shortDir(t), Bin: "/nowhere"})
		require.ErrorContains(t, err, "IM_POSTGRES_BIN")
	})
	t.Run("does not touch a folder with other files", func(t *testing.T) {
		dir := shortDir(t)
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "postgres"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "postgres", "precious"), nil, 0o600))
		_, err := Open(t.Context(), Options{Dir: dir})
		require.ErrorContains(t, err, "not PostgreSQL's data")
		require.FileExists(t, filepath.Join(dir, "postgres", "precious"))
	})
}

func TestDone(t *testing.T) {
	pg := open(t, Options{Dir: shortDir(t)})
	select {
	case <-pg.Done():
		t.Fatal("done while it runs")
	default:
	}
	require.NoError(t, pg.proc.cmd.Process.Signal(syscall.SIGQUIT))
	waitDone(t, pg.Done())
	require.NoError(t, pg.Close())
}

func TestKilled(t *testing.T) {
	t.Run("the server ends with its parent and keeps the data", func(t *testing.T) {
		dir := shortDir(t)
		url, cmd := start(t, dir, nil)
		storeWord(t, url)
		pid := postmaster(filepath.Join(dir, "postgres", "postmaster.pid"))
		require.NotZero(t, pid)
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()

		pg := open(t, Options{Dir: dir}) // at once: the old server may still be stopping
		require.Equal(t, "still here", query(t, pg.URL(), stored))
		require.NotEqual(t, pid, pg.proc.cmd.Process.Pid)
		require.NoError(t, pg.Close())
	})
	t.Run("a killed server recovers", func(t *testing.T) {
		o := Options{Dir: shortDir(t)}
		pg := open(t, o)
		storeWord(t, pg.URL())
		require.NoError(t, syscall.Kill(-pg.proc.cmd.Process.Pid, syscall.SIGKILL))
		waitDone(t, pg.Done())
		require.FileExists(t, filepath.Join(pg.Dir(), "postmaster.pid"))
		_ = pg.Close()
		pg = open(t, o)
		require.Equal(t, "still here", query(t, pg.URL(), stored))
		require.NoError(t, pg.Close())
	})
	t.Run("a stale pid file that names another process does not matter", func(t *testing.T) {
		o := Options{Dir: shortDir(t)}
		pg := open(t, o)
		path := filepath.Join(pg.Dir(), "postmaster.pid")
		stale, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, pg.Close())

		other := exec.Command("sleep", "600")
		require.NoError(t, other.Start())
		defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
		_, rest, _ := strings.Cut(string(stale), "\n")
		require.NoError(t, os.WriteFile(path, []byte(strconv.Itoa(other.Process.Pid)+"\n"+rest), 0o600))
		pg = open(t, o)
		require.NoError(t, pg.Close())
		require.NoError(t, other.Process.Signal(syscall.Signal(0)), "the other process was ended")
	})
}

// TestIdentities: for root, the package also works without user namespaces, and it works
// for ordinary users. The other tests run as the present user only.
func TestIdentities(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("not root: there is only one identity")
		return
	}
	t.Run("root without namespaces", func(t *testing.T) {
		o := Options{Dir: shortDir(t), noNamespace: true}
		pg := open(t, o)
		storeWord(t, pg.URL())
		require.NoError(t, pg.Close())

		o.noNamespace = false // and back: the files change their owner
		pg = open(t, o)
		require.Equal(t, "still here", query(t, pg.URL(), stored))
		require.NoError(t, pg.Close())
	})
	t.Run("root without namespaces, in a folder that others cannot enter", func(t *testing.T) {
		dir := filepath.Join(shortDir(t), "closed")
		require.NoError(t, os.Mkdir(dir, 0o700))
		pg := open(t, Options{Dir: dir, noNamespace: true})
		t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(pg.Dir())) })
		require.True(t, strings.HasPrefix(pg.Dir(), stateDir), pg.Dir())
		require.Equal(t, "ok", query(t, pg.URL(), alive))
		require.NoError(t, pg.Close())
	})
	t.Run("root in a folder of an ordinary user", func(t *testing.T) {
		dir := filepath.Join(shortDir(t), "home")
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.NoError(t, os.Chown(dir, 1234, 1234))
		pg := open(t, Options{Dir: dir})
		t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(pg.Dir())) })
		require.Equal(t, "ok", query(t, pg.URL(), alive))
		require.NoError(t, pg.Close())
	})
	for name, uid := range map[string]uint32{"an ordinary user": unprivilegedID(t), "a user without a name": 54321} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(shortDir(t), "data")
			require.NoError(t, os.Mkdir(dir, 0o700))
			require.NoError(t, os.Chown(dir, int(uid), int(uid)))
			url, _ := start(t, dir, &syscall.Credential{Uid: uid, Gid: uid})
			require.Equal(t, "ok", query(t, url, alive))
		})
	}
}

func unprivilegedID(t *testing.T) uint32 {
	t.Helper()
	a, err := unprivileged()
	require.NoError(t, err)
	return uint32(a.uid)
}

// start runs a server in another process, as another user if as is not nil.
func start(t *testing.T, dir string, as *syscall.Credential) (url string, cmd *exec.Cmd) {
	t.Helper()
	program := filepath.Join(shortDir(t), "child")
	copyFile(t, os.Args[0], program)
	cmd = exec.Command(program)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		pid := postmaster(filepath.Join(dir, "postgres", "postmaster.pid"))
		require.Eventually(t, func() bool { return pid == 0 || syscall.Kill(pid, 0) != nil }, 20*time.Second, 10*time.Millisecond,
			"the server outlived its parent")
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(line, "postgres://"), line)
	return strings.TrimSpace(line), cmd
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	require.NoError(t, err)
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(out, in)
	require.NoError(t, err)
	require.NoError(t, out.Close())
}

// waitDone waits until done is closed.
func waitDone(t *testing.T, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("the server has not ended")
	}
}
