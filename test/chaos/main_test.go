package chaos

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// services are the processes that the tests share, and the program under test.
// A test that stops a service must start it again.
type services struct {
	binary   string // im, built without -race; the tests themselves may run with -race
	postgres *database
	redis    *redisServer
	rabbit   *rabbitServer
}

var shared services

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("/tmp", "im-chaos-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	defer shared.end()
	// PostgreSQL may run as another user.
	if err := errors.Join(os.Chmod(dir, 0o755), shared.begin(dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func (s *services) begin(dir string) error {
	s.binary = filepath.Join(dir, "im")
	s.postgres = &database{dir: filepath.Join(dir, "postgres")}
	s.redis = &redisServer{dir: filepath.Join(dir, "redis")}
	s.rabbit = &rabbitServer{dir: filepath.Join(dir, "rabbitmq")}
	var g errgroup.Group
	g.Go(func() error {
		build := exec.Command("go", "build", "-o", s.binary, "im/cmd/im")
		build.Stderr = os.Stderr
		return build.Run()
	})
	g.Go(s.postgres.start)
	g.Go(s.redis.start)
	g.Go(s.rabbit.start)
	return g.Wait()
}

func (s *services) end() {
	_ = s.postgres.stop()
	s.redis.kill()
	s.rabbit.remove()
}

// process is a program that the tests started, in its own process group. On Linux
// the kernel kills it when the test process ends, even by a crash.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // result of Wait; valid after done is closed
}

func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // Pdeathsig is sent when the parent's thread ends
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		close(p.done)
	}()
	return p, <-started
}

// signal sends a signal to the whole process group.
func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

// end sends a signal and waits until the process exits. After timeout it sends SIGKILL
// and returns an error.
func (p *process) end(s syscall.Signal, timeout time.Duration) error {
	p.signal(s)
	select {
	case <-p.done:
		return nil
	case <-time.After(timeout):
		p.signal(syscall.SIGKILL)
		<-p.done
		return fmt.Errorf("%s did not end by signal %v", p.cmd.Path, s)
	}
}

// waitFor calls try until it succeeds. It returns an error after timeout, or when the
// process exits.
func (p *process) waitFor(what string, timeout time.Duration, try func() error) error {
	deadline := time.Now().Add(timeout)
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended: %w", what, errors.Join(p.err, err))
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not answer in time: %w", what, err)
		}
	}
}
