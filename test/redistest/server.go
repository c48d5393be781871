package redistest

import (
	"net"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"im/internal/freeport"
	"im/test/eventually"
)

// Server is a Redis server of the test's own, which the test may flush and kill. It
// needs redis-server in PATH.
type Server struct {
	address string
	cmd     *exec.Cmd
}

// StartServer starts a server without data. It is killed when the test has ended.
func StartServer(t testing.TB) *Server {
	t.Helper()
	address, err := freeport.Addr()
	require.NoError(t, err)
	s := &Server{address: address}
	s.Start(t)
	t.Cleanup(func() { s.Kill(t) })
	return s
}

// URL returns the address of the server.
func (s *Server) URL() string { return "redis://" + s.address }

// Start starts the server again, without data, at the same address.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	host, port, err := net.SplitHostPort(s.address)
	require.NoError(t, err)
	s.cmd = exec.Command("redis-server", "--port", port, "--bind", host, "--save", "", "--dir", t.TempDir())
	require.NoError(t, s.cmd.Start(), "this test needs redis-server in PATH")
	eventually.NoError(t, "redis-server answers", func() error {
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// Kill ends the server without letting it save anything.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Kill())
	_ = s.cmd.Wait() // always an error: the process was killed
}
