package routing

import (
	"net"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"im/internal/freeport"
)

// redisServer is a Redis of the test's own, to be flushed and killed.
type redisServer struct {
	port int
	cmd  *exec.Cmd
}

func startRedisServer(t *testing.T) *redisServer {
	t.Helper()
	port, err := freeport.Port()
	require.NoError(t, err)
	s := &redisServer{port: port}
	s.start(t)
	t.Cleanup(func() { s.kill(t) })
	return s
}

func (s *redisServer) url() string { return "redis://127.0.0.1:" + strconv.Itoa(s.port) }

func (s *redisServer) start(t *testing.T) {
	t.Helper()
	s.cmd = exec.Command("redis-server", "--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	require.NoError(t, s.cmd.Start(), "this test needs redis-server in PATH")
	eventually(t, "redis-server answers", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(s.port))
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

func (s *redisServer) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Kill())
	_ = s.cmd.Wait() // killed, and so an error
}
