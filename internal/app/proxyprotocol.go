package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	proxyproto "github.com/pires/go-proxyproto"

	"im/internal/edge"
	"im/internal/forwarded"
)

// proxyHeaderTimeout is how long a proxy may take to send its PROXY header.
const proxyHeaderTimeout = 5 * time.Second

// proxyListener accepts connections of clients and of proxies that speak the PROXY
// protocol. If it is enabled, a connection from a trusted proxy may begin with a header,
// which names the client; a health check of the proxy itself comes without one. Such a
// header on any other connection makes its first request unreadable, and is logged.
type proxyListener struct {
	net.Listener

	enabled bool
	trusted forwarded.Proxies
	log     *edge.Refusals
}

// Accept implements net.Listener.
func (l *proxyListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	from := conn.RemoteAddr().String()
	if l.enabled && l.trusted.Trust(forwarded.ParseHop(from)) {
		announced := proxyproto.NewConn(conn, proxyproto.WithPolicy(proxyproto.USE), proxyproto.SetReadHeaderTimeout(proxyHeaderTimeout))
		return &announcedConn{Conn: announced, log: l.log, from: from}, nil
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		return &plainConn{TCPConn: tcp, log: l.log, from: from}, nil
	}
	return conn, nil
}

// announcedConn is a connection that may begin with a PROXY header.
type announcedConn struct {
	*proxyproto.Conn

	log  *edge.Refusals
	from string
	read bool
}

// Read implements net.Conn.
func (c *announcedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if first := !c.read; first {
		c.read = true
		if n == 0 && err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed) {
			c.log.Log(context.Background(), "PROXY header", "a trusted proxy sent a PROXY header that is not valid", "proxy", c.from, "error", err)
		}
	}
	return n, err
}

// SyscallConn implements syscall.Conn, by which sockets wait for bytes without a
// buffer. They may read past c: what was read together with the header went to the
// first Read of the HTTP server, whose buffer is larger.
func (c *announcedConn) SyscallConn() (syscall.RawConn, error) {
	tcp, ok := c.TCPConn()
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return tcp.SyscallConn()
}

// plainConn is a connection that must not begin with a PROXY header.
type plainConn struct {
	*net.TCPConn

	log  *edge.Refusals
	from string
	read bool
}

// Read implements net.Conn.
func (c *plainConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if !c.read && n > 0 {
		c.read = true
		if isProxyHeader(p[:n]) {
			c.log.Log(context.Background(), "PROXY header", "a connection begins with a PROXY header: set IM_PROXY_PROTOCOL=on and name the proxy in IM_TRUSTED_PROXIES", "proxy", c.from)
		}
	}
	return n, err
}

// isProxyHeader reports whether text begins as a PROXY header of version 1 or 2 does.
func isProxyHeader(text []byte) bool {
	return bytes.HasPrefix(text, []byte("PROXY ")) || bytes.HasPrefix(text, []byte("\r\n\r\n\x00\r\nQUIT\n"))
}
