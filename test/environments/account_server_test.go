package environments

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// serverProcess is a server that a test has started.
type serverProcess struct {
	t    testing.TB
	cmd  *exec.Cmd
	done chan struct{}
}

// asPostgres makes a command run as the user postgres if the test runs as root, because
// PostgreSQL and PgBouncer refuse root.
func asPostgres(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	uid, gid, ok := postgresAccount(t)
	if ok {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	}
}

func postgresAccount(t testing.TB) (uid, gid uint32, ok bool) {
	t.Helper()
	if os.Geteuid() != 0 {
		return 0, 0, false
	}
	account, err := user.Lookup("postgres")
	require.NoError(t, err, "as root, these tests run servers as the user postgres")
	u, err := strconv.ParseUint(account.Uid, 10, 32)
	require.NoError(t, err)
	g, err := strconv.ParseUint(account.Gid, 10, 32)
	require.NoError(t, err)
	return uint32(u), uint32(g), true
}

// serverDir returns a new folder that the user of asPostgres owns. Its path is short,
// because sockets are in it.
func serverDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "im-env-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if uid, gid, ok := postgresAccount(t); ok {
		require.NoError(t, os.Chown(dir, int(uid), int(gid)))
	}
	return dir
}

// writeServerFile writes a file for a server, with its owner.
func writeServerFile(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	if uid, gid, ok := postgresAccount(t); ok {
		require.NoError(t, os.Chown(path, int(uid), int(gid)))
	}
	return path
}

// startServer starts a server, which ends with the test. Its output is in the file log.
func startServer(t testing.TB, dir string, cmd *exec.Cmd) *serverProcess {
	t.Helper()
	asPostgres(t, cmd)
	log, err := os.OpenFile(writeServerFile(t, dir, filepath.Base(cmd.Path)+".log", ""), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	defer func() { _ = log.Close() }()
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	require.NoError(t, cmd.Start())
	p := &serverProcess{t: t, cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		p.end(syscall.SIGINT)
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("%s:\n%s", log.Name(), tail(text, 8000))
		}
	})
	return p
}

// end sends a signal and waits for the end of the server.
func (p *serverProcess) end(s syscall.Signal) {
	_ = p.cmd.Process.Signal(s)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// childrenOf returns the child processes of a process.
func childrenOf(t testing.TB, pid int) (children []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state ppid …
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			children = append(children, child)
		}
	}
	return children
}

func tail(text []byte, n int) []byte { return text[max(0, len(text)-n):] }
