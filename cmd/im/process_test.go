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
	"im/test/improcess"
)

// asProgram is the variable that makes the test binary run as im. So the tests of this
// package run im as a process, as users do.
const asProgram = "TEST_RUN_AS_IM"

const (
	timeout    = 3 * time.Minute // of a program, on a busy machine
	testSecret = "a secret of 32 bytes, or of more"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	code := m.Run()
	_ = os.RemoveAll(plainDir)
	os.Exit(code)
}

// plainDir is the folder of the program that plainProgram builds.
var plainDir string

// plainProgram returns the path of im without the race detector. With it, a process
// needs half a second of CPU time before main.
var plainProgram = sync.OnceValues(func() (string, error) {
	if !raceEnabled {
		return os.Args[0], nil
	}
	var err error
	if plainDir, err = os.MkdirTemp("", "im-plain-"); err != nil {
		return "", err
	}
	return improcess.Build(plainDir)
})

// program is a running im.
type program struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err *buffer
	exited   chan struct{}
}

// start runs im with arguments and with the settings in env only.
func start(t *testing.T, env []string, args ...string) *program {
	t.Helper()
	return startAs(t, nil, os.Args[0], env, args...)
}

// startPlain is start without the race detector, for commands that end soon, and for
// measurements.
func startPlain(t *testing.T, env []string, args ...string) *program {
	t.Helper()
	binary, err := plainProgram()
	require.NoError(t, err)
	return startAs(t, nil, binary, env, args...)
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

// wait waits for the end and returns the exit code, or -1 if a signal ended it.
func (p *program) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(timeout):
		p.t.Fatalf("im has not ended\n%s\n%s", p.out, p.err)
		return 0
	}
}

// waitOutput waits until the program has written text.
func (p *program) waitOutput(text string) {
	p.t.Helper()
	p.until("writing "+text, func() bool { return strings.Contains(p.out.String()+p.err.String(), text) })
}

// until polls until done returns true. What names the expectation. After a timeout the
// failure shows the stacks of all goroutines of the program.
func (p *program) until(what string, done func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(timeout); !done(); {
		select {
		case <-p.exited:
			p.t.Fatalf("im ended (%s) before %s\n%s\n%s", p.cmd.ProcessState, what, p.out, p.err)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			_ = p.cmd.Process.Signal(syscall.SIGQUIT) // prints all goroutines
			p.wait()
			p.t.Fatalf("im has not reached %s\n%s\n%s", what, p.out, p.err)
		}
	}
}

func (p *program) signal(s os.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
}

// get returns the status of a GET request.
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

// freeAddr returns an address without a listener.
func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := freeport.Addr()
	require.NoError(t, err)
	return addr
}

// takenAddr returns an address that has a listener.
func takenAddr(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
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

func exists(path ...string) bool {
	_, err := os.Stat(filepath.Join(path...))
	return !errors.Is(err, os.ErrNotExist)
}

// buffer is a bytes.Buffer that is safe for concurrent use.
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
