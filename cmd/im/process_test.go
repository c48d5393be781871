package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/internal/freeport"
)

// asProgram makes the test binary the program itself: the tests of this package
// run it as users do, as a process.
const asProgram = "TEST_RUN_AS_IM"

const (
	patience   = 3 * time.Minute // on a machine that does much else
	testSecret = "a secret of 32 bytes, or of more"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// program is a running im.
type program struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err *buffer
	exited   chan struct{}
}

// start runs im with arguments, and with no setting but those in env.
func start(t *testing.T, env []string, args ...string) *program {
	t.Helper()
	return startAs(t, nil, os.Args[0], env, args...)
}

func startAs(t *testing.T, as *syscall.Credential, binary string, env []string, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(binary, args...), out: &buffer{}, err: &buffer{}, exited: make(chan struct{})}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "IM_") || strings.HasPrefix(kv, "IM_POSTGRES_BIN=") {
			p.cmd.Env = append(p.cmd.Env, kv)
		}
	}
	p.cmd.Env = append(append(p.cmd.Env, asProgram+"=1"), env...)
	p.cmd.Dir = "/"
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.err
	require.NoError(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
	})
	return p
}

// wait waits for the end and returns the exit code; -1 if a signal ended it.
func (p *program) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("im still runs\n%s\n%s", p.out, p.err)
		return 0
	}
}

// says waits until the program has written text.
func (p *program) says(text string) {
	p.t.Helper()
	p.until("saying "+text, func() bool { return strings.Contains(p.out.String()+p.err.String(), text) })
}

// until polls until the program has come to something. If it does not in time,
// the failure shows what it does instead.
func (p *program) until(what string, done func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); !done(); {
		select {
		case <-p.exited:
			p.t.Fatalf("im has ended (%s) before %s\n%s\n%s", p.cmd.ProcessState, what, p.out, p.err)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			_ = p.cmd.Process.Signal(syscall.SIGQUIT) // prints all goroutines
			p.wait()
			p.t.Fatalf("im does not come to %s\n%s\n%s", what, p.out, p.err)
		}
	}
}

func (p *program) signal(s os.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
}

func get(url string) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := freeport.Addr()
	require.NoError(t, err)
	return addr
}

// takenAddr is an address that somebody listens on.
func takenAddr(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

// shortDir is open to other users, as t.TempDir is not.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "imt")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func exists(path ...string) bool {
	_, err := os.Stat(filepath.Join(path...))
	return !errors.Is(err, os.ErrNotExist)
}

// buffer is a bytes.Buffer for a writer and readers at once.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
