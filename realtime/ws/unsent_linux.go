package ws

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unsent returns how many bytes written to conn the peer has not acknowledged;
// -1 if that is not known.
func unsent(conn net.Conn) int {
	system, ok := conn.(syscall.Conn)
	if !ok {
		return -1
	}
	raw, err := system.SyscallConn()
	if err != nil {
		return -1
	}
	n := -1
	if raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }) != nil || err != nil {
		return -1
	}
	return n
}
