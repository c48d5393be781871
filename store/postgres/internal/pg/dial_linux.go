package pg

import (
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// userTimeout has the kernel give up a connection whose bytes are not taken.
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
