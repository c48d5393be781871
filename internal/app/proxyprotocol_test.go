package app

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	proxyproto "github.com/pires/go-proxyproto"
	"github.com/stretchr/testify/require"

	"im/internal/edge"
	"im/internal/forwarded"
	"im/test/eventually"
)

// syncBuffer is a log that goroutines write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestProxyProtocol: a trusted proxy names the client, in both versions of the header.
// Others cannot, and the log says why their requests fail.
func TestProxyProtocol(t *testing.T) {
	const request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	client := &net.TCPAddr{IP: net.ParseIP("203.0.113.9"), Port: 4711}
	proxy := &net.TCPAddr{IP: net.ParseIP("10.0.0.1"), Port: 443}
	header := func(version byte) string {
		text, err := proxyproto.HeaderProxyFromAddrs(version, client, proxy).Format()
		require.NoError(t, err)
		return string(text)
	}
	for name, c := range map[string]struct {
		enabled bool
		trusted string
		sent    string
		status  int
		address string // of the client, as the node sees it
		logged  string
	}{
		"version 1":           {true, "127.0.0.1", header(1), 200, "203.0.113.9", ""},
		"version 2":           {true, "127.0.0.1", header(2), 200, "203.0.113.9", ""},
		"unknown client":      {true, "127.0.0.1", "PROXY UNKNOWN\r\n", 200, "127.0.0.1", ""},
		"a health check":      {true, "127.0.0.1", "", 200, "127.0.0.1", ""},
		"not trusted":         {true, "10.0.0.0/8", header(1), 400, "", "IM_TRUSTED_PROXIES"},
		"not trusted, plain":  {true, "10.0.0.0/8", "", 200, "127.0.0.1", ""},
		"not enabled":         {false, "127.0.0.1", header(2), 400, "", "IM_PROXY_PROTOCOL=on"},
		"not enabled, plain":  {false, "127.0.0.1", "", 200, "127.0.0.1", ""},
		"a header is invalid": {true, "127.0.0.1", "PROXY TCP4 nonsense\r\n", 0, "", "not valid"},
	} {
		t.Run(name, func(t *testing.T) {
			trusted, err := forwarded.ParseProxies([]string{c.trusted})
			require.NoError(t, err)
			var log syncBuffer
			listener := &proxyListener{
				Listener: listen(t), enabled: c.enabled, trusted: trusted, log: edge.NewRefusals(slog.New(slog.NewTextHandler(&log, nil))),
			}
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				host, _, _ := net.SplitHostPort(r.RemoteAddr)
				_, _ = io.WriteString(w, host)
			})}
			done := make(chan error, 1)
			go func() { done <- server.Serve(listener) }()
			defer func() {
				require.NoError(t, server.Close())
				require.ErrorIs(t, <-done, http.ErrServerClosed)
			}()
			conn, err := net.Dial("tcp", listener.Addr().String())
			require.NoError(t, err)
			defer func() { _ = conn.Close() }()
			_, err = io.WriteString(conn, c.sent+request)
			require.NoError(t, err)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if c.status == 0 {
				require.Error(t, err)
			} else {
				require.NoError(t, err)
				defer func() { _ = response.Body.Close() }()
				require.Equal(t, c.status, response.StatusCode)
			}
			if c.address != "" {
				text, err := io.ReadAll(response.Body)
				require.NoError(t, err)
				require.Equal(t, c.address, string(text))
			}
			eventually.True(t, "it is logged", func() bool { return strings.Contains(log.String(), c.logged) })
			if c.logged == "" {
				require.Empty(t, log.String())
			}
		})
	}
}

// TestConnectionsKeepTheirDescriptor: sockets wait for bytes without a buffer, which
// needs the connection of the system.
func TestConnectionsKeepTheirDescriptor(t *testing.T) {
	for _, enabled := range []bool{false, true} {
		trusted, err := forwarded.ParseProxies([]string{"127.0.0.1"})
		require.NoError(t, err)
		listener := &proxyListener{Listener: listen(t), enabled: enabled, trusted: trusted, log: edge.NewRefusals(slog.New(slog.DiscardHandler))}
		client, err := net.Dial("tcp", listener.Addr().String())
		require.NoError(t, err)
		conn, err := listener.Accept()
		require.NoError(t, err)
		system, ok := conn.(syscall.Conn)
		require.True(t, ok)
		_, err = system.SyscallConn()
		require.NoError(t, err)
		require.NoError(t, client.Close())
		require.NoError(t, conn.Close())
		require.NoError(t, listener.Close())
	}
}
