package slowlink

import (
	"context"
	"net"
	"syscall"
)

// segment is the maximum segment size in bytes. The first send buffer of a writer holds
// a number of segments, which have 64 KiB on a loopback interface by default.
const segment = 1400

// Dial connects to a TCP address with a small receive buffer.
func Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			if failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, receiveBuffer); failed == nil {
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
