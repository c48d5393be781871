//go:build !linux

package slowlink

import (
	"context"
	"net"
)

// Dial connects to a TCP address.
func Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(room)
	}
	return conn, err
}
