package devservices

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// acquire locks the file at path. The kernel releases the lock when this process ends,
// even after a crash.
func acquire(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("%w: %s", ErrInUse, filepath.Dir(path))
	}
	return nil, fmt.Errorf("locking %s: %w", path, err)
}

// reap cleans up after an earlier process that was killed. It stops the server of that
// process, if it still runs; this process holds the lock, so no other one uses it. It
// removes a postmaster.pid that names a process which is not a server of this folder.
// PostgreSQL itself handles the file of a process that no longer exists.
func reap(ctx context.Context, dir string) error {
	path := filepath.Join(dir, "postmaster.pid")
	deadline := time.Now().Add(stopTimeout)
	for interval := 20 * time.Millisecond; ; {
		pid := postmaster(path)
		if pid == 0 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return nil
		}
		if !serves(ctx, pid, dir) {
			return os.Remove(path)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("PostgreSQL (process %d) of an earlier run does not stop", pid)
		}
		if err := syscall.Kill(pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stopping PostgreSQL (process %d) of an earlier run: %w", pid, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(interval):
		}
	}
}

// postmaster returns the process id in a postmaster.pid, or 0 if there is none.
func postmaster(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, _ := strconv.Atoi(strings.TrimSpace(first))
	return max(pid, 0)
}

// serves reports whether process pid is a PostgreSQL on dir, which is its working
// directory.
func serves(ctx context.Context, pid int, dir string) bool {
	if runtime.GOOS == "linux" {
		cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
		if resolved, e := filepath.EvalSymlinks(dir); e == nil {
			dir = resolved
		}
		return err == nil && cwd == dir
	}
	out, err := exec.CommandContext(ctx, "ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(out), dir)
}
