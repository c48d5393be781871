package amqptest

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"im/internal/freeport"
	"im/test/certtest"
)

const startTimeout = 2 * time.Minute

// Server is a RabbitMQ server of a test's own, whose users, permissions, policies,
// limits and alarms the test may change. It listens with and without TLS, and accepts
// client certificates, with EXTERNAL too. It needs RabbitMQ's programs.
type Server struct {
	Authority *certtest.Authority // of the server's certificate, and of those of clients

	dir                               string
	port, tlsPort, distPort, epmdPort int
	cmd                               *exec.Cmd
	output                            bytes.Buffer
	ended                             chan struct{}
}

// StartServer starts a server whose files are in dir. The caller must Stop it. It takes
// some seconds: the tests of a package should share a server.
func StartServer(dir string) (*Server, error) {
	s := &Server{dir: dir}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	if err := s.Start(); err != nil {
		return nil, err
	}
	return s, nil
}

// prepare chooses the ports and writes the configuration.
func (s *Server) prepare() (err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	for _, port := range []*int{&s.port, &s.tlsPort, &s.distPort, &s.epmdPort} {
		if *port, err = freeport.Port(); err != nil {
			return err
		}
	}
	if s.Authority, err = certtest.New(s.dir); err != nil {
		return err
	}
	pair, err := s.Authority.Issue("rabbitmq")
	if err != nil {
		return err
	}
	config := []string{
		fmt.Sprintf("listeners.tcp.local = 127.0.0.1:%d", s.port), fmt.Sprintf("listeners.ssl.local = 127.0.0.1:%d", s.tlsPort),
		"ssl_options.cacertfile = " + s.Authority.File, "ssl_options.certfile = " + pair.Cert, "ssl_options.keyfile = " + pair.Key,
		"ssl_options.verify = verify_peer", "ssl_options.fail_if_no_peer_cert = false", "ssl_cert_login_from = common_name",
		"auth_mechanisms.1 = PLAIN", "auth_mechanisms.2 = EXTERNAL", "log.file = false", "log.console = false",
		"vm_memory_high_watermark.absolute = 1GB", "disk_free_limit.absolute = 1MB",
	}
	return errors.Join(
		os.WriteFile(s.file("rabbitmq.conf"), []byte(strings.Join(config, "\n")+"\n"), 0o600),
		os.WriteFile(s.file("plugins"), []byte("[rabbitmq_auth_mechanism_ssl].\n"), 0o600))
}

func (s *Server) file(name string) string { return filepath.Join(s.dir, name) }

// Start starts the server again. It keeps its data.
func (s *Server) Start() error {
	s.cmd, s.ended = s.command("rabbitmq-server"), make(chan struct{})
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("these tests need rabbitmq-server: %w", err)
	}
	go func() {
		defer close(s.ended)
		_ = s.cmd.Wait()
	}()
	var err error
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		select {
		case <-s.ended:
			return fmt.Errorf("rabbitmq-server has ended: %s", &s.output)
		default:
		}
		var conn *amqp091.Connection
		if conn, err = amqp091.Dial(s.URL("guest", "guest", "/")); err == nil {
			return conn.Close()
		}
	}
	return fmt.Errorf("rabbitmq-server does not answer: %w", err)
}

// Kill ends the server.
func (s *Server) Kill() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.ended
}

// Stop ends the server and its name service, epmd.
func (s *Server) Stop() {
	s.Kill()
	for range 50 { // epmd refuses to end until it has noticed the end of the server
		out, err := exec.Command("epmd", "-port", strconv.Itoa(s.epmdPort), "-kill").CombinedOutput()
		if errors.Is(err, exec.ErrNotFound) || strings.HasPrefix(string(out), "Killed") || strings.Contains(string(out), "Cannot connect") {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Addr returns the address of the server without TLS, as host:port.
func (s *Server) Addr() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// URL returns the URL of a user and a virtual host.
func (s *Server) URL(user, password, vhost string) string {
	return "amqp://" + url.UserPassword(user, password).String() + "@" + s.Addr() + "/" + url.PathEscape(vhost)
}

// TLSURL is URL for TLS. It names the authority.
func (s *Server) TLSURL(user, password, vhost string) string {
	return "amqps://" + url.UserPassword(user, password).String() + "@127.0.0.1:" + strconv.Itoa(s.tlsPort) + "/" + url.PathEscape(vhost) +
		"?cacertfile=" + url.QueryEscape(s.Authority.File)
}

// Control runs rabbitmqctl and returns its output.
func (s *Server) Control(args ...string) (string, error) {
	out, err := s.command("rabbitmqctl", append([]string{"-q"}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("rabbitmqctl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

func (s *Server) command(program string, args ...string) *exec.Cmd {
	// On Debian, the programs in PATH are wrappers that change the user.
	path := filepath.Join("/usr/lib/rabbitmq/bin", program)
	if _, err := os.Stat(path); err != nil {
		path = program
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "HOME="+s.dir, "RABBITMQ_NODENAME=imtest"+strconv.Itoa(s.port)+"@localhost",
		"RABBITMQ_MNESIA_BASE="+s.file("data"), "RABBITMQ_LOG_BASE="+s.file("log"), "RABBITMQ_PID_FILE="+s.file("pid"),
		"RABBITMQ_ENABLED_PLUGINS_FILE="+s.file("plugins"), "RABBITMQ_CONFIG_FILE="+s.file("rabbitmq.conf"),
		"RABBITMQ_CONF_ENV_FILE="+s.file("none"), "RABBITMQ_DIST_PORT="+strconv.Itoa(s.distPort),
		"ERL_EPMD_PORT="+strconv.Itoa(s.epmdPort), "ERL_EPMD_ADDRESS=127.0.0.1",
		"ERL_FLAGS=-kernel inet_dist_use_interface {127,0,0,1}")
	return cmd
}
