package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const stopTimeout = 35 * time.Second // a node takes up to 30 s

// child is a process of im.
type child struct {
	cmd  *exec.Cmd
	log  *tail
	done chan struct{}
}

// start runs im with the settings in env and no others. It has a process group of its
// own, so that Ctrl-C reaches only this process, which then stops it.
func start(program string, env []string, args ...string) (*child, error) {
	c := &child{cmd: exec.Command(program, args...), log: &tail{}, done: make(chan struct{})} //nolint:noctx // stopAll stops it
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "IM_") || strings.HasPrefix(kv, "IM_POSTGRES_BIN=") {
			c.cmd.Env = append(c.cmd.Env, kv)
		}
	}
	c.cmd.Env = append(c.cmd.Env, env...)
	c.cmd.Stderr = c.log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = c.cmd.Wait()
		close(c.done)
	}()
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// until polls until done returns true. It fails if the process ends first, or after
// startTimeout.
func (c *child) until(ctx context.Context, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for !done() {
		select {
		case <-c.done:
			return fmt.Errorf("im ended unexpectedly: %s\n%s", c.cmd.ProcessState, c.log)
		case <-ctx.Done():
			return errors.Join(ctx.Err(), fmt.Errorf("im did not become ready\n%s", c.log))
		case <-time.After(poll):
		}
	}
	return nil
}

// stopAll stops processes with SIGTERM, and kills those that exceed stopTimeout.
func stopAll(children []*child) {
	for _, c := range children {
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
	}
	deadline := time.After(stopTimeout)
	for _, c := range children {
		select {
		case <-c.done:
		case <-deadline:
			_ = c.cmd.Process.Kill()
			<-c.done
		}
	}
}

// tail keeps the end of the output of a process.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailBytes = 4 << 10

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-tailBytes):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b))
}
