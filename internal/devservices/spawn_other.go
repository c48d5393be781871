//go:build !linux

package devservices

import "os/exec"

// spawn starts cmd as id. If this process is killed, the server continues. The next Open
// on its folder stops it.
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
