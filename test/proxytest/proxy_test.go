package proxytest

import (
	"bufio"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/test/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// startEcho starts a service that answers each line with the same line.
func startEcho(t *testing.T) string {
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
			go func() {
				defer conn.Close()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					_, _ = conn.Write(append(lines.Bytes(), '\n'))
				}
			}()
		}
	}()
	return listener.Addr().String()
}

// testClient is a client of the echo service.
type testClient struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// connect connects to the service through the proxy.
func connect(t *testing.T, p *Proxy) *testClient {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &testClient{t, conn, bufio.NewReader(conn)}
}

func (c *testClient) send(line string) { _, _ = c.conn.Write([]byte(line + "\n")) }

// receive waits for an answer.
func (c *testClient) receive(timeout time.Duration) (string, error) {
	require.NoError(c.t, c.conn.SetReadDeadline(time.Now().Add(timeout)))
	return c.in.ReadString('\n')
}

const long, short = 10 * time.Second, 50 * time.Millisecond

// requireEcho sends a line and requires its answer.
func (c *testClient) requireEcho(line string) {
	c.t.Helper()
	c.send(line)
	answer, err := c.receive(long)
	require.NoError(c.t, err)
	require.Equal(c.t, line+"\n", answer)
}

// requireSilence requires that no answer arrives and the connection stays open.
func (c *testClient) requireSilence() {
	c.t.Helper()
	_, err := c.receive(short)
	var timeout net.Error
	require.ErrorAs(c.t, err, &timeout)
	require.True(c.t, timeout.Timeout())
}

// requireClosed requires that the connection is closed.
func (c *testClient) requireClosed() {
	c.t.Helper()
	_, err := c.receive(long)
	require.Error(c.t, err)
	var network net.Error
	if errors.As(err, &network) {
		require.False(c.t, network.Timeout())
	}
}

func TestProxy(t *testing.T) {
	t.Run("cut and mended", func(t *testing.T) {
		p := New(t, startEcho(t))
		c := connect(t, p)
		c.requireEcho("before")
		p.Cut()
		c.requireClosed()
		connect(t, p).requireClosed()
		p.Mend()
		connect(t, p).requireEcho("after")
	})
	t.Run("held bytes pass later", func(t *testing.T) {
		p := New(t, startEcho(t))
		c := connect(t, p)
		c.requireEcho("before")
		p.Hold()
		require.True(t, p.Held())
		c.send("held")
		c.requireSilence()
		p.Mend()
		answer, err := c.receive(long)
		require.NoError(t, err)
		require.Equal(t, "held\n", answer)
	})
	t.Run("held after some bytes", func(t *testing.T) {
		p := New(t, startEcho(t))
		c := connect(t, p)
		p.HoldAfter(6)
		c.requireEcho("four")
		c.send("more")
		c.requireSilence()
		require.True(t, p.Held())
	})
	t.Run("lost bytes never pass, and new connections do", func(t *testing.T) {
		p := New(t, startEcho(t))
		c := connect(t, p)
		c.requireEcho("before")
		p.Lose()
		c.send("lost")
		c.requireSilence()
		connect(t, p).requireEcho("another")
		p.Mend()
		c.send("lost as well")
		c.requireSilence()
		p.Cut()
		c.requireClosed()
	})
	t.Run("slow", func(t *testing.T) {
		p := New(t, startEcho(t))
		c := connect(t, p)
		p.Slow(short)
		began := time.Now()
		c.requireEcho("slowly")
		require.GreaterOrEqual(t, time.Since(began), 2*short)
	})
	t.Run("the answer to a marked request is cut", func(t *testing.T) {
		p := New(t, startEcho(t))
		other, c := connect(t, p), connect(t, p)
		passed := p.CutAnswerTo("marked")
		c.requireEcho("plain")
		c.send("this is mar" + "ked")
		<-passed
		c.requireClosed()
		other.requireEcho("others are not")
	})
	t.Run("the answer to a marked request is held", func(t *testing.T) {
		p := New(t, startEcho(t))
		other, c := connect(t, p), connect(t, p)
		passed := p.HoldAnswerTo("marked")
		_, err := c.conn.Write([]byte("this is mar"))
		require.NoError(t, err)
		time.Sleep(short) // so that it arrives in two pieces
		c.send("ked")
		<-passed
		c.requireSilence()
		other.requireEcho("others are not")
		p.Mend()
		answer, err := c.receive(long)
		require.NoError(t, err)
		require.Equal(t, "this is marked\n", answer)
	})
	t.Run("new connections go to the new target", func(t *testing.T) {
		p := New(t, "127.0.0.1:1")
		connect(t, p).requireClosed()
		p.Retarget(startEcho(t))
		connect(t, p).requireEcho("there")
	})
}
