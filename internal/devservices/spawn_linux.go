package devservices

import (
	"os/exec"
	"runtime"
	"syscall"
)

// spawn starts cmd as id. The kernel ends the child when the thread that started it ends
// (Pdeathsig), so a goroutine keeps that thread until the child has ended.
func spawn(cmd *exec.Cmd, id identity) (*process, error) {
	id.apply(cmd)
	cmd.SysProcAttr.Pdeathsig = syscall.SIGINT
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(p.done)
	}()
	return p, <-started
}
