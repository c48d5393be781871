package environments

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	proxyproto "github.com/pires/go-proxyproto"
	"github.com/stretchr/testify/require"

	"im/test/eventually"
)

// startForwarder starts a load balancer that passes on bytes, after a PROXY header of a
// version. It names the clients by turns 203.0.113.1, 203.0.113.2, … if they come from
// 127.0.0.1, 127.0.0.2, …
func startForwarder(t *testing.T, to string, version byte) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go forward(conn, to, version)
		}
	}()
	return "http://" + listener.Addr().String()
}

func forward(conn net.Conn, to string, version byte) {
	defer func() { _ = conn.Close() }()
	node, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer func() { _ = node.Close() }()
	from := *conn.RemoteAddr().(*net.TCPAddr)
	from.IP = net.IPv4(203, 0, 113, from.IP.To4()[3])
	if _, err := proxyproto.HeaderProxyFromAddrs(version, &from, conn.LocalAddr()).WriteTo(node); err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(node, conn)
		_ = node.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(conn, node)
}

// TestProxyProtocol: behind a load balancer that speaks the PROXY protocol, calls and
// sockets work, and the node knows the clients.
func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	n := startProxiedNode(t, "IM_PROXY_PROTOCOL=on", "IM_RATE_ADDRESS_READS=0.001:5")
	for version := range byte(2) {
		t.Run(fmt.Sprint("version ", version+1), func(t *testing.T) {
			base := startForwarder(t, strings.TrimPrefix(n.URL, "http://"), version+1)
			greedy := newProxiedClient(t, base, fmt.Sprint("127.0.0.", 10+version), "alice")
			greedy.requireChat(base)
			status := 0
			for i := 0; i < 10 && status != http.StatusTooManyRequests; i++ {
				status = greedy.call("GET", "/v1/sessions", "").StatusCode
			}
			require.Equal(t, http.StatusTooManyRequests, status)
			other := newProxiedClient(t, base, fmt.Sprint("127.0.0.", 20+version), "alice")
			require.Equal(t, http.StatusOK, other.call("GET", "/v1/sessions", "").StatusCode)
		})
	}
	t.Run("the node says what is missing", func(t *testing.T) {
		n := startProxiedNode(t)
		base := startForwarder(t, strings.TrimPrefix(n.URL, "http://"), 2)
		response, err := http.Get(base + "/healthz")
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusBadRequest, response.StatusCode)
		eventually.True(t, "it is logged", func() bool { return strings.Contains(n.Output(), "IM_PROXY_PROTOCOL=on") })
	})
}

// TestIdleConnections: the operator sets how long a connection without a request stays
// open. Sockets stay as long as they answer.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	n := startProxiedNode(t, "IM_IDLE_TIMEOUT=1s")
	c := newProxiedClient(t, n.URL, "127.0.0.1", "alice")
	ws, err := c.socket("")
	require.NoError(t, err)

	conn, err := net.Dial("tcp", strings.TrimPrefix(n.URL, "http://"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(eventually.Deadline)))
	_, err = reader.ReadByte()
	require.ErrorIs(t, err, io.EOF, "closed by the node")

	require.NoError(t, ws.WriteJSON(map[string]string{"type": "ping"}))
	c.await(ws, "pong")
}
