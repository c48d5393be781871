package proxytest

import (
	"bufio"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a service that answers each line with itself.
func echo(t *testing.T) string {
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

type caller struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func call(t *testing.T, p *Proxy) *caller {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &caller{t, conn, bufio.NewReader(conn)}
}

func (c *caller) say(line string) { _, _ = c.conn.Write([]byte(line + "\n")) }

// hears returns an answer, or the error of having waited for it.
func (c *caller) hears(patience time.Duration) (string, error) {
	require.NoError(c.t, c.conn.SetReadDeadline(time.Now().Add(patience)))
	return c.in.ReadString('\n')
}

const long, short = 10 * time.Second, 50 * time.Millisecond

func (c *caller) talks(line string) {
	c.t.Helper()
	c.say(line)
	answer, err := c.hears(long)
	require.NoError(c.t, err)
	require.Equal(c.t, line+"\n", answer)
}

func (c *caller) silent() {
	c.t.Helper()
	_, err := c.hears(short)
	var timeout net.Error
	require.ErrorAs(c.t, err, &timeout)
	require.True(c.t, timeout.Timeout())
}

func (c *caller) cut() {
	c.t.Helper()
	_, err := c.hears(long)
	require.Error(c.t, err)
	var network net.Error
	if errors.As(err, &network) {
		require.False(c.t, network.Timeout())
	}
}

func TestProxy(t *testing.T) {
	t.Run("cut and mended", func(t *testing.T) {
		p := New(t, echo(t))
		c := call(t, p)
		c.talks("before")
		p.Cut()
		c.cut()
		call(t, p).cut()
		p.Mend()
		call(t, p).talks("after")
	})
	t.Run("held bytes pass later", func(t *testing.T) {
		p := New(t, echo(t))
		c := call(t, p)
		c.talks("before")
		p.Hold()
		require.True(t, p.Held())
		c.say("held")
		c.silent()
		p.Mend()
		answer, err := c.hears(long)
		require.NoError(t, err)
		require.Equal(t, "held\n", answer)
	})
	t.Run("held after some bytes", func(t *testing.T) {
		p := New(t, echo(t))
		c := call(t, p)
		p.HoldAfter(6)
		c.talks("four")
		c.say("more")
		c.silent()
		require.True(t, p.Held())
	})
	t.Run("lost bytes never pass, and new connections do", func(t *testing.T) {
		p := New(t, echo(t))
		c := call(t, p)
		c.talks("before")
		p.Lose()
		c.say("lost")
		c.silent()
		call(t, p).talks("another")
		p.Mend()
		c.say("lost as well")
		c.silent()
		p.Cut()
		c.cut()
	})
	t.Run("slow", func(t *testing.T) {
		p := New(t, echo(t))
		c := call(t, p)
		p.Slow(short)
		began := time.Now()
		c.talks("slowly")
		require.GreaterOrEqual(t, time.Since(began), 2*short)
	})
	t.Run("the answer to a marked request is cut off", func(t *testing.T) {
		p := New(t, echo(t))
		other, c := call(t, p), call(t, p)
		passed := p.CutAnswerTo("marked")
		c.talks("plain")
		c.say("this is mar" + "ked")
		<-passed
		c.cut()
		other.talks("others are not")
	})
	t.Run("the answer to a marked request is held back", func(t *testing.T) {
		p := New(t, echo(t))
		other, c := call(t, p), call(t, p)
		passed := p.HoldAnswerTo("marked")
		_, err := c.conn.Write([]byte("this is mar"))
		require.NoError(t, err)
		time.Sleep(short) // so that it comes in two pieces
		c.say("ked")
		<-passed
		c.silent()
		other.talks("others are not")
		p.Mend()
		answer, err := c.hears(long)
		require.NoError(t, err)
		require.Equal(t, "this is marked\n", answer)
	})
	t.Run("new connections go to the new target", func(t *testing.T) {
		p := New(t, "127.0.0.1:1")
		call(t, p).cut()
		p.Retarget(echo(t))
		call(t, p).talks("there")
	})
}
