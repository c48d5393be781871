//go:build !linux

package slowlink

import (
	"context"
	"net"
)

// Dial connects to a TCP address with a small receive buffer.
func Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(receiveBuffer)
	}
	return conn, err
}
