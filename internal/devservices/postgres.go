package devservices

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Timeouts of the server.
const (
	startTimeout = 60 * time.Second // including recovery after a crash
	stopTimeout  = 10 * time.Second // of a fast shutdown; then it becomes an immediate one
)

// port is only a part of the socket's name. The server does not listen on TCP.
const port = "5432"

// database is the one that initdb creates. The server has no other.
const database = "postgres"

// ErrInUse is returned for a data folder that another process uses.
var ErrInUse = errors.New("the data folder is in use by another process")

// Options configure the server.
type Options struct {
	// Dir is the folder of the data. Open creates a missing one.
	Dir string
	// Bin is the folder of initdb and postgres. If empty, Open searches the usual
	// places, and downloads a PostgreSQL if it finds none.
	Bin string
	// Logger logs steps that take long: downloading, initdb. Nil discards them.
	Logger *slog.Logger

	noNamespace bool // for tests: behave as if user namespaces were forbidden
}

// Postgres is a running server.
type Postgres struct {
	dir    string // folder of the data
	socket string // folder of the socket
	lock   *os.File
	temp   string // a temporary folder of the socket, to remove at the end; or ""
	proc   *process
}

// Open starts the server and returns when it accepts connections. It creates the data
// folder if there is none. The caller must Close the server.
func Open(ctx context.Context, o Options) (_ *Postgres, err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	p := &Postgres{}
	defer func() {
		if err != nil {
			p.release()
		}
	}()
	if p.lock, err = acquire(filepath.Join(dir, "lock")); err != nil {
		return nil, err
	}
	id, err := chooseIdentity(ctx, o.noNamespace)
	if err != nil {
		return nil, err
	}
	if p.dir, err = id.home(dir, "postgres"); err != nil {
		return nil, err
	}
	bin, err := binaries(ctx, o.Bin, majorVersion(p.dir), o.Logger)
	if err != nil {
		return nil, err
	}
	if err := p.initialize(ctx, bin, id, o.Logger); err != nil {
		return nil, err
	}
	if err := p.start(ctx, bin, id); err != nil {
		return nil, err
	}
	return p, nil
}

// URL returns the connection URL, in a form that pgx accepts.
func (p *Postgres) URL() string {
	q := url.Values{"host": {p.socket}, "port": {port}, "user": {superuser}, "sslmode": {"disable"}}
	return "postgres:///" + database + "?" + q.Encode()
}

// Dir returns the folder of the data. It lies outside Options.Dir if the server runs as
// an account that cannot reach Options.Dir.
func (p *Postgres) Dir() string { return p.dir }

// Done returns a channel that is closed when the server has ended for any reason.
func (p *Postgres) Done() <-chan struct{} { return p.proc.done }

// Close stops the server: it closes connections and writes all data to disk. Close
// returns when the server has ended.
func (p *Postgres) Close() error {
	err := p.proc.stop(stopTimeout)
	p.release()
	return err
}

// release removes the temporary folder and releases the lock.
func (p *Postgres) release() {
	if p.temp != "" {
		_ = os.RemoveAll(p.temp)
	}
	if p.lock != nil {
		_ = p.lock.Close()
	}
}

// start runs the server and waits until it answers. Processes of a server that was killed
// may hold its shared memory for a moment longer: then it tries again.
func (p *Postgres) start(ctx context.Context, bin string, id identity) error {
	if err := reap(ctx, p.dir); err != nil { // a server that an earlier process left running
		return err
	}
	if err := p.openSocket(id); err != nil {
		return err
	}
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(restartPause) {
		err := p.startOnce(ctx, bin, id)
		if err == nil || !strings.Contains(err.Error(), "pre-existing shared memory block") || time.Now().After(deadline) || ctx.Err() != nil {
			return err
		}
	}
}

// restartPause is how long start waits for the processes of a killed server.
const restartPause = 100 * time.Millisecond

// startOnce tries once to run the server. The error has the end of the server's log.
func (p *Postgres) startOnce(ctx context.Context, bin string, id identity) error {
	cmd := exec.Command(filepath.Join(bin, "postgres"), //nolint:noctx // it runs longer than ctx: Close stops it
		"-D", p.dir, "-k", p.socket, "-p", port,
		"-c", "listen_addresses=",
		"-c", "unix_socket_permissions=0700",
		"-c", "max_connections=200",
		"-c", "timezone=UTC",
		"-c", "log_timezone=UTC",
	)
	log, err := os.OpenFile(filepath.Join(p.dir, "server.log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the child has a descriptor of its own
	cmd.Stdout, cmd.Stderr = log, log
	if p.proc, err = spawn(cmd, id); err != nil {
		return fmt.Errorf("starting PostgreSQL: %w", err)
	}
	if err := p.await(ctx); err != nil {
		_ = p.proc.stop(stopTimeout)
		return fmt.Errorf("PostgreSQL did not start: %w%s", err, tailOf(log.Name()))
	}
	return nil
}

// await tries to connect until the server answers or ends.
func (p *Postgres) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, p.URL())
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-tick.C:
		case <-p.proc.done:
			return errors.New("the server has ended")
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// maxSocketPath is the longest path of a socket, terminator included, that every
// supported system allows. Linux alone allows 108.
const maxSocketPath = 104

// openSocket creates the folder of the socket: in the data folder, or a temporary one if
// that path is too long. Only the user of the server can enter it, because everyone who
// reaches the socket is the superuser.
func (p *Postgres) openSocket(id identity) error {
	p.socket = filepath.Join(p.dir, "socket")
	if len(filepath.Join(p.socket, ".s.PGSQL."+port))+1 > maxSocketPath {
		temp, err := os.MkdirTemp("/tmp", "im-")
		if err != nil {
			return err
		}
		p.temp, p.socket = temp, temp
	}
	if err := os.MkdirAll(p.socket, 0o700); err != nil {
		return err
	}
	return id.own(p.socket)
}

// tailOf returns the end of the server's log, for an error message.
func tailOf(path string) string {
	const limit = 2_000
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		return ""
	}
	if len(text) > limit {
		text = text[len(text)-limit:]
	}
	return "\n" + string(bytes.TrimSpace(text))
}

// process is the server's process. It has a process group of its own, so that Ctrl-C
// reaches only this process, which then stops the server. On Linux the server also ends
// when this process is killed.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// stop requests a fast shutdown, after timeout an immediate one, and after another
// timeout kills the server.
func (p *process) stop(timeout time.Duration) error {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		_ = p.cmd.Process.Signal(sig)
		select {
		case <-p.done:
			if sig != syscall.SIGINT {
				return fmt.Errorf("PostgreSQL did not stop until signal %v", sig)
			}
			return nil
		case <-time.After(timeout):
		}
	}
	return errors.New("PostgreSQL does not stop")
}
