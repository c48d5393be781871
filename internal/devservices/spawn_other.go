//go:build !linux

package devservices

import "os/exec"

// spawn starts cmd as id. When this process is killed, the server goes on; the
// next Open on its folder ends it.
func spawn(cmd *exec.Cmd, id identity) (*process, error) {
	id.apply(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}
