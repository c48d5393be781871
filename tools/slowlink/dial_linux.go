package slowlink

import (
	"context"
	"net"
	"syscall"
)

// segment is how much one packet carries. A writer has room for a number of packets
// at first, which on a loopback interface are 64 KiB each otherwise.
const segment = 1400

// Dial connects to a TCP address.
func Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			if failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, room); failed == nil {
				failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, segment)
			}
		})
		if err != nil {
			return err
		}
		return failed
	}}
	return dialer.DialContext(ctx, network, addr)
}
