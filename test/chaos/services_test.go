package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"im/internal/devservices"
	"im/internal/freeport"
)

// database is a PostgreSQL server that the tests start.
type database struct {
	dir    string
	server *devservices.Postgres
}

// start starts the server. After kill -9 of the postmaster it retries until the
// remaining processes of the killed server have ended.
func (d *database) start() error {
	var err error
	for range 100 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		d.server, err = devservices.Open(ctx, devservices.Options{Dir: d.dir, Bin: os.Getenv("IM_POSTGRES_BIN")})
		cancel()
		if err == nil {
			return nil
		}
		if errors.Is(err, devservices.ErrNoPostgres) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("these tests need PostgreSQL's programs: %w", err)
}

// stop shuts the server down in mode fast.
func (d *database) stop() error {
	if d.server == nil {
		return nil
	}
	return d.server.Close()
}

// kill sends SIGKILL to the postmaster.
func (d *database) kill() error {
	text, err := os.ReadFile(filepath.Join(d.server.Dir(), "postmaster.pid"))
	if err != nil {
		return err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	<-d.server.Done()
	return d.server.Close()
}

// socket returns the path of the server's Unix socket.
func (d *database) socket() string {
	u, err := url.Parse(d.server.URL())
	if err != nil {
		return ""
	}
	return filepath.Join(u.Query().Get("host"), ".s.PGSQL."+u.Query().Get("port"))
}

// url returns the URL of one database, without a proxy.
func (d *database) url(name string) string {
	return strings.Replace(d.server.URL(), "/postgres?", "/"+name+"?", 1)
}

// redisServer is a Redis server that the tests start, without persistence.
type redisServer struct {
	dir  string
	port int
	*process
}

func (r *redisServer) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)) }

func (r *redisServer) start() (err error) {
	if r.port == 0 {
		if r.port, err = freeport.Port(); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return err
	}
	cmd := exec.Command("redis-server", "--port", strconv.Itoa(r.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", r.dir)
	if r.process, err = start(cmd); err != nil {
		return fmt.Errorf("these tests need redis-server in PATH (scripts/install redis-server): %w", err)
	}
	client := redis.NewClient(&redis.Options{Addr: r.addr(), MaxRetries: -1})
	defer func() { _ = client.Close() }()
	return r.waitFor("redis-server", 30*time.Second, func() error { return client.Ping(context.Background()).Err() })
}

func (r *redisServer) kill() {
	if r.process != nil {
		_ = r.end(syscall.SIGKILL, time.Minute)
	}
}

// rabbitServer is a RabbitMQ server that the tests start.
type rabbitServer struct {
	dir                      string
	port, distPort, epmdPort int
	*process
}

func (r *rabbitServer) url() string { return fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/", r.port) }

func (r *rabbitServer) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)) }

// program returns the path of a program of RabbitMQ. On Debian it avoids the wrapper in
// PATH, which changes the user.
func (r *rabbitServer) program(name string) string {
	path := filepath.Join("/usr/lib/rabbitmq/bin", name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	return name
}

func (r *rabbitServer) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(r.program(program), args...)
	in := func(name string) string { return filepath.Join(r.dir, name) }
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "HOME="+r.dir, "RABBITMQ_NODENAME=imchaos"+strconv.Itoa(r.port)+"@localhost",
		"RABBITMQ_MNESIA_BASE="+in("data"), "RABBITMQ_LOG_BASE="+in("log"), "RABBITMQ_PID_FILE="+in("pid"),
		"RABBITMQ_ENABLED_PLUGINS_FILE="+in("plugins"), "RABBITMQ_CONFIG_FILE="+in("rabbitmq.conf"), "RABBITMQ_CONF_ENV_FILE="+in("none"),
		"RABBITMQ_DIST_PORT="+strconv.Itoa(r.distPort), "ERL_EPMD_PORT="+strconv.Itoa(r.epmdPort), "ERL_EPMD_ADDRESS=127.0.0.1",
		"ERL_FLAGS=-kernel inet_dist_use_interface {127,0,0,1}")
	return cmd
}

func (r *rabbitServer) start() (err error) {
	if r.port == 0 {
		if err := r.prepare(); err != nil {
			return err
		}
	}
	if r.process, err = start(r.command("rabbitmq-server")); err != nil {
		return fmt.Errorf("these tests need rabbitmq-server (scripts/install rabbitmq-server): %w", err)
	}
	return r.waitFor("rabbitmq-server", time.Minute, func() error {
		conn, err := amqp091.Dial(r.url())
		if err == nil {
			err = conn.Close()
		}
		return err
	})
}

// prepare chooses the ports and writes the configuration.
func (r *rabbitServer) prepare() (err error) {
	for _, port := range []*int{&r.port, &r.distPort, &r.epmdPort} {
		if *port, err = freeport.Port(); err != nil {
			return err
		}
	}
	config := fmt.Sprintf("listeners.tcp.local = 127.0.0.1:%d\nlog.file = false\nlog.console = false\n"+
		"vm_memory_high_watermark.absolute = 1GB\ndisk_free_limit.absolute = 1MB\n", r.port)
	return errors.Join(os.MkdirAll(r.dir, 0o700),
		os.WriteFile(filepath.Join(r.dir, "rabbitmq.conf"), []byte(config), 0o600),
		os.WriteFile(filepath.Join(r.dir, "plugins"), []byte("[].\n"), 0o600))
}

// stop ends the server with SIGTERM.
func (r *rabbitServer) stop() error { return r.end(syscall.SIGTERM, time.Minute) }

// remove ends the server and its name service, epmd.
func (r *rabbitServer) remove() {
	if r.process == nil {
		return
	}
	_ = r.end(syscall.SIGKILL, time.Minute)
	for range 50 { // epmd refuses to end until it has noticed the end of the server
		out, err := exec.Command("epmd", "-port", strconv.Itoa(r.epmdPort), "-kill").CombinedOutput()
		if errors.Is(err, exec.ErrNotFound) || strings.HasPrefix(string(out), "Killed") || strings.Contains(string(out), "Cannot connect") {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// queues returns the names of the queues that begin with prefix.
func (r *rabbitServer) queues(t *testing.T, prefix string) (names []string) {
	t.Helper()
	out, err := r.command("rabbitmqctl", "-q", "list_queues", "--no-table-headers", "name").Output()
	require.NoError(t, err)
	for name := range strings.Lines(string(out)) {
		if name = strings.TrimSpace(name); strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names
}
