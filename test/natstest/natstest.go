// Package natstest runs NATS servers of a test's own, which the test may kill and whose
// limits it may set. They need nats-server. It is for tests only.
package natstest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"im/internal/freeport"
	"im/test/eventually"
)

// Server is a NATS server with JetStream.
type Server struct {
	address, dir string
	cmd          *exec.Cmd
}

// StartServer starts a server without data. It is killed when the test has ended. Config has
// further lines of its configuration.
func StartServer(t testing.TB, config ...string) *Server {
	t.Helper()
	address, err := freeport.Addr()
	require.NoError(t, err)
	s := &Server{address: address, dir: t.TempDir()}
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	lines := append([]string{
		"host: 127.0.0.1", "port: " + port, fmt.Sprintf("jetstream: {store_dir: %q, max_mem: 64MB, max_file: 1GB}", s.dir),
	}, config...)
	require.NoError(t, os.WriteFile(s.file(), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	t.Cleanup(func() { s.Kill(t) })
	s.Start(t)
	return s
}

func (s *Server) file() string { return filepath.Join(s.dir, "nats.conf") }

// Addr returns the address of the server, as host:port.
func (s *Server) Addr() string { return s.address }

// Start starts the server again. It keeps its data.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	program, err := exec.LookPath("nats-server")
	if err != nil {
		program = "/usr/sbin/nats-server" // which is not in the PATH of every user
	}
	s.cmd = exec.Command(program, "-c", s.file())
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, s.cmd.Start(), "this test needs nats-server")
	eventually.NoError(t, "nats-server answers", func() error {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// Kill ends the server.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if s.cmd == nil || s.cmd.ProcessState != nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}
