package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
)

// TestAnswersThatAreNotRead: a user who requests large answers and does not read them uses
// up only the own limit of requests in flight. Other users are served, and the node closes
// such connections after a while.
func TestAnswersThatAreNotRead(t *testing.T) {
	const limit, pipelined = 8, 40 // 40 MiB exceed the kernel's buffers of a connection
	c := newCluster(t, fmt.Sprint("IM_LIMIT_REQUESTS_IN_FLIGHT=", limit))
	n := c.node("one")
	id := n.direct("alice", "bob")
	alice := connect(t, n.URL, "alice", "phone")
	for i := range 35 {
		require.Empty(t, alice.post(id, fmt.Sprint(i), strings.Repeat("x", 30_000)).Code)
	}
	request := "GET /v1/conversations/" + id.String() + "/events?after_seq=0&limit=1000 HTTP/1.1\r\nHost: x\r\n" +
		"Authorization: Bearer " + userToken(t, "alice") + "\r\n\r\n"
	var open []net.Conn
	status := func(user domain.UserID) int {
		status, _ := n.call(user, "GET", "/v1/sync", nil)
		return status
	}
	for end := time.Now().Add(waitTimeout); status("alice") != http.StatusTooManyRequests; {
		require.True(t, time.Now().Before(end), "the limit of requests in flight is not enforced")
		for range limit { // repeated: a connection whose requests were all refused holds nothing
			conn, err := net.Dial("tcp", strings.TrimPrefix(n.URL, "http://"))
			require.NoError(t, err)
			t.Cleanup(func() { _ = conn.Close() })
			require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4<<10))
			_, err = io.WriteString(conn, strings.Repeat(request, pipelined))
			require.NoError(t, err)
			open = append(open, conn)
		}
	}
	for range 50 {
		require.Equal(t, http.StatusOK, status("bob"), "other users are served")
	}
	require.Less(t, n.resident(), memoryBound(300))
	if shortOrLong(false, true) { // the node closes the connections after a minute
		require.Eventually(t, func() bool { return status("alice") == http.StatusOK }, 3*waitTimeout, time.Second)
		return
	}
	for _, conn := range open {
		require.NoError(t, conn.Close())
	}
	eventually.True(t, "alice is served again", func() bool { return status("alice") == http.StatusOK })
}

// TestSlowloris: a connection that sends too slowly is closed, at every step of a request
// or socket. Other users are served.
func TestSlowloris(t *testing.T) {
	const headersTimeout = 20 * time.Second // 5 s and a margin for a busy machine; less than the timeout of bodies
	c := newCluster(t)
	n := c.node("one")
	address := strings.TrimPrefix(n.URL, "http://")
	open := func(t *testing.T, text string) net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = io.WriteString(conn, text)
		require.NoError(t, err)
		return conn
	}
	// drip sends single bytes until the node closes the connection.
	drip := func(t *testing.T, conn net.Conn, b byte, within time.Duration) {
		t.Helper()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = io.Copy(io.Discard, conn)
		}()
		for deadline := time.After(within); ; {
			select {
			case <-ended:
				return
			case <-deadline:
				t.Fatal("the connection is still open")
			case <-time.After(200 * time.Millisecond):
				_, _ = conn.Write([]byte{b})
			}
		}
	}
	for name, text := range map[string]string{
		"nothing":    "",
		"headers":    "GET /v1/ws HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"first line": "GET /",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := open(t, text)
			if name == "nothing" {
				_ = conn.SetReadDeadline(time.Now().Add(headersTimeout))
				_, err := conn.Read(make([]byte, 1))
				require.ErrorIs(t, err, io.EOF, "closed by the node, not by the deadline of the test")
				return
			}
			drip(t, conn, 'x', headersTimeout)
		})
	}
	t.Run("hello", func(t *testing.T) {
		t.Parallel()
		s := dial(t, n.URL, nil)
		conn := s.ws.NetConn()
		_, err := conn.Write([]byte{0x81, 0xfe, 0x40, 0, 1, 2, 3, 4}) // the header of a masked frame of 16 KiB, which is never completed
		require.NoError(t, err)
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(200 * time.Millisecond):
					_, _ = conn.Write([]byte{'x'})
				}
			}
		}()
		require.Equal(t, 4300, s.closed())
	})
	t.Run("body", func(t *testing.T) {
		t.Parallel()
		drip(t, open(t, "POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+userToken(t, "alice")+
			"\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"), ' ', 2*waitTimeout)
	})
	t.Run("a thousand half open", func(t *testing.T) {
		t.Parallel()
		for range 1000 {
			open(t, "GET / HTTP/1.1\r\n")
		}
		status, _ := n.call("bob", "GET", "/v1/sync", nil)
		require.Equal(t, http.StatusOK, status, "other users are served")
	})
}
