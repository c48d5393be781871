// Package improcess builds the program im and runs it as a process, for tests of
// whole nodes.
package improcess

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
	"im/test/eventually"
)

// exitTimeout is how long a process may take to exit. It exceeds IM_DRAIN.
const exitTimeout = time.Minute

// Build builds im in dir and returns its path. flags are additional flags of go build.
func Build(dir string, flags ...string) (binary string, err error) {
	binary = filepath.Join(dir, "im")
	args := append([]string{"build", "-o", binary}, flags...)
	output, err := exec.Command("go", append(args, "im/cmd/im")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building im: %w\n%s", err, output)
	}
	return binary, nil
}

// Process is a running im.
type Process struct {
	URL string // of a node; "" for other commands

	t      testing.TB
	cmd    *exec.Cmd
	output *buffer
	exited chan struct{}
	err    error // of the process; valid after exited is closed
}

// Start starts a command of im with additional environment variables. The process ends
// with the test, which fails if the output shows a data race or a panic.
func Start(t testing.TB, binary string, env []string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, output: &buffer{}, exited: make(chan struct{})}
	p.cmd = exec.Command(binary, args...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Env = append(p.cmd.Env, "GORACE=exitcode=0") // its output tells of races
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	require.NoError(t, p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(p.cleanUp)
	return p
}

// Serve starts im serve on a free port of 127.0.0.1. It does not wait until the node is
// ready.
func Serve(t testing.TB, binary string, env ...string) *Process {
	t.Helper()
	addr, err := freeport.Addr()
	require.NoError(t, err)
	p := Start(t, binary, append([]string{"IM_ADDR=" + addr}, env...), "serve")
	p.URL = "http://" + addr
	return p
}

// AwaitReady waits until the node reports that it reaches all services.
func (p *Process) AwaitReady() {
	p.t.Helper()
	eventually.NoError(p.t, "the node is ready", func() error {
		select {
		case <-p.exited:
			p.t.Fatalf("the node exited: %v\n%s", p.err, p.output)
		default:
		}
		resp, err := http.Get(p.URL + "/readyz")
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		var state struct{ Status string }
		if err := json.NewDecoder(resp.Body).Decode(&state); err != nil {
			return err
		}
		if state.Status != "ready" {
			return errors.New(state.Status)
		}
		return nil
	})
}

// Output returns what the process has written to its standard output and error.
func (p *Process) Output() string { return p.output.String() }

// AwaitOutput waits until the process has written text: what it logs of a request may come
// after its answer.
func (p *Process) AwaitOutput(text string) {
	p.t.Helper()
	eventually.True(p.t, "the output has "+text, func() bool { return p.Count(text) > 0 })
}

// Count returns how often text is in the output.
func (p *Process) Count(text string) int { return strings.Count(p.Output(), text) }

// Pid returns the id of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
}

// Wait waits until the process exits, and returns its error: an *exec.ExitError if the
// exit code is not 0.
func (p *Process) Wait() error {
	select {
	case <-p.exited:
		return p.err
	case <-time.After(exitTimeout):
		return fmt.Errorf("%s still runs: %s", p.cmd, p.output)
	}
}

// Stop ends the process with SIGTERM. It must exit with 0.
func (p *Process) Stop() {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	require.NoError(p.t, p.Wait(), "%s", p.output)
}

func (p *Process) cleanUp() {
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	output := withoutKnownRaces(p.Output())
	for _, bad := range []string{"DATA RACE", "panic:", "fatal error:"} {
		if strings.Contains(output, bad) {
			p.t.Errorf("%s in the output of %s:\n%s", bad, p.cmd, output)
		}
	}
	if p.t.Failed() {
		p.t.Logf("output of %s %s:\n%s", p.cmd, p.URL, output)
	}
}

const raceBorder = "==================\n"

// withoutKnownRaces removes the reports of one data race of the AMQP library from an
// output: it replaces the channel of a lost connection without a lock
// (ThreeDotsLabs/watermill#693). A busy machine, or a paused node, loses connections in
// tests that cut none.
func withoutKnownRaces(output string) string {
	parts := strings.Split(output, raceBorder)
	kept := parts[:0]
	for _, part := range parts {
		isRace := strings.HasPrefix(part, "WARNING: DATA RACE\n")
		if !isRace || !strings.Contains(part, "/pkg/amqp.(*ConnectionWrapper).handleConnectionClose()") {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, raceBorder)
}

// buffer collects the output of a process.
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
