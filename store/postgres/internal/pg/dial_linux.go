package pg

import (
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// userTimeout makes the kernel close a connection whose sent bytes are not acknowledged
// within keepAlive.
func userTimeout(network, _ string, raw syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(keepAlive.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return failed
}
