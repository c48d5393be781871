package redistest

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"im/internal/freeport"
	"im/test/certtest"
	"im/test/eventually"
)

// Server is a Redis server of the test's own, which the test may flush, pause and kill.
// It needs redis-server in PATH.
type Server struct {
	address string
	dir     string
	config  []string // lines of redis.conf
	args    []string // of redis-server, after the configuration
	cmd     *exec.Cmd
}

// StartServer starts a server without data. It is killed when the test has ended.
// Config has lines of redis.conf.
func StartServer(t testing.TB, config ...string) *Server {
	t.Helper()
	s := newServer(t)
	s.config = append(s.config, "port "+s.port())
	s.config = append(s.config, config...)
	s.Start(t)
	return s
}

// StartTLSServer is StartServer for a server that speaks TLS only, with a certificate
// of the authority.
func StartTLSServer(t testing.TB, authority *certtest.Authority, config ...string) *Server {
	t.Helper()
	s := newServer(t)
	s.config = append(s.config, tlsConfig(t, authority, s.port())...)
	s.config = append(s.config, config...)
	s.Start(t)
	return s
}

// tlsConfig returns the lines of redis.conf for TLS at a port.
func tlsConfig(t testing.TB, authority *certtest.Authority, port string) []string {
	t.Helper()
	pair, err := authority.Issue("redis-" + port)
	require.NoError(t, err)
	return []string{
		"port 0", "tls-port " + port, "tls-ca-cert-file " + authority.File, "tls-cert-file " + pair.Cert, "tls-key-file " + pair.Key,
		"tls-auth-clients no", "tls-replication yes", "tls-cluster yes",
	}
}

// newServer returns a server that was not started, at a free port.
func newServer(t testing.TB) *Server {
	t.Helper()
	address, err := freeport.Addr()
	require.NoError(t, err)
	// The path of a Unix socket must be short, which t.TempDir is not.
	dir, err := os.MkdirTemp("", "im-redis-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &Server{address: address, dir: dir}
	s.config = []string{"bind 127.0.0.1", `save ""`, "dir " + s.dir, "unixsocket " + s.Socket()}
	t.Cleanup(func() { s.Kill(t) })
	return s
}

// Addr returns the address of the server, as host:port.
func (s *Server) Addr() string { return s.address }

func (s *Server) port() string {
	_, port, _ := net.SplitHostPort(s.address)
	return port
}

// Socket returns the path of the server's Unix socket.
func (s *Server) Socket() string { return filepath.Join(s.dir, "redis.sock") }

// URL returns the address of the server.
func (s *Server) URL() string { return "redis://" + s.address }

// URLOf returns the address of the server, for a user and a password.
func (s *Server) URLOf(user, password string) string {
	return "redis://" + url.UserPassword(user, password).String() + "@" + s.address
}

// TLSURL returns the address of a server that speaks TLS.
func (s *Server) TLSURL() string { return "rediss://" + s.address }

// Start starts the server again, without data, at the same address. A server of a
// cluster still knows the cluster.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	file := filepath.Join(s.dir, "redis.conf")
	if _, err := os.Stat(file); err != nil { // a Sentinel writes its state into the file
		require.NoError(t, os.WriteFile(file, []byte(strings.Join(s.config, "\n")+"\n"), 0o600))
	}
	s.cmd = exec.Command("redis-server", append([]string{file}, s.args...)...)
	log := &strings.Builder{}
	s.cmd.Stdout, s.cmd.Stderr = log, log
	require.NoError(t, s.cmd.Start(), "this test needs redis-server in PATH")
	eventually.NoError(t, "redis-server answers", func() error {
		if s.cmd.ProcessState == nil && syscall.Kill(s.cmd.Process.Pid, 0) != nil {
			return fmt.Errorf("redis-server has ended: %s", log)
		}
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
	if s.cmd == nil {
		return
	}
	require.NoError(t, s.cmd.Process.Kill())
	_ = s.cmd.Wait() // always an error: the process was killed
	s.cmd = nil
}

// Pause stops the server without closing its connections, as a host does that lost its
// power or its network.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGSTOP))
}

// Resume ends Pause.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGCONT))
}
