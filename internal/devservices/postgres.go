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
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// How long the server is waited for.
const (
	startTimeout = 60 * time.Second // recovery after a crash included
	stopTimeout  = 10 * time.Second // until a fast shutdown becomes an immediate one
)

// port names the socket; nothing listens on TCP.
const port = "5432"

// database is made by initdb; there is nothing else in the server.
const database = "postgres"

// ErrInUse is returned for a data folder that another process holds.
var ErrInUse = errors.New("the data folder is in use by another process")

// Options say where the server lives.
type Options struct {
	// Dir holds the data, and is made if it is missing.
	Dir string
	// Bin is the folder of initdb and postgres; "" looks for one, and fetches
	// one if there is none.
	Bin string
	// Logger is told what takes long (fetching, initdb); nil for nobody.
	Logger *slog.Logger

	noNamespace bool // as if user namespaces were forbidden
}

// Postgres is a running server.
type Postgres struct {
	dir    string // of the data
	socket string // folder of the socket
	lock   *os.File
	temp   string // to remove at the end, or ""
	proc   *process
}

// Open starts the server, with a new data folder if there is none yet, and
// returns when it takes connections. The caller must Close it.
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

// URL is where to connect, for pgx.
func (p *Postgres) URL() string {
	q := url.Values{"host": {p.socket}, "port": {port}, "user": {superuser}, "sslmode": {"disable"}}
	return "postgres:///" + database + "?" + q.Encode()
}

// Dir is the folder of the data. It is not beneath Options.Dir when the server
// runs as a user who cannot reach that.
func (p *Postgres) Dir() string { return p.dir }

// Done is closed when the server has ended, whoever ended it.
func (p *Postgres) Done() <-chan struct{} { return p.proc.done }

// Close stops the server: connections are cut, the data is written out. It
// returns when the server has ended.
func (p *Postgres) Close() error {
	err := p.proc.stop(stopTimeout)
	p.release()
	return err
}

func (p *Postgres) release() {
	if p.temp != "" {
		_ = os.RemoveAll(p.temp)
	}
	if p.lock != nil {
		_ = p.lock.Close()
	}
}

// start runs the server and waits until it answers.
func (p *Postgres) start(ctx context.Context, bin string, id identity) error {
	if err := reap(ctx, p.dir); err != nil {
		return err
	}
	if err := p.openSocket(id); err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(bin, "postgres"), //nolint:noctx // it outlives ctx: Close ends it
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
	defer func() { _ = log.Close() }() // the child has its own descriptor
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

// await connects until the server answers, or has ended.
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
			return errors.New("the server ended at once")
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// maxSocketPath is what a socket's address can hold, terminator included, on
// the least generous system (104 bytes; Linux has 108).
const maxSocketPath = 104

// openSocket makes the folder of the socket, in the data folder where the path
// is short enough, else in a temporary one. Whoever reaches the socket is the
// superuser: nobody else can enter the folder.
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

// process is a child in a process group of its own, so that Ctrl-C does not
// reach it before its parent, and that ends with its parent, however that ends
// (on Linux).
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// stop asks the server for a fast shutdown, after timeout for an immediate one.
func (p *process) stop(timeout time.Duration) error {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		_ = p.cmd.Process.Signal(sig)
		select {
		case <-p.done:
			if sig != syscall.SIGINT {
				return fmt.Errorf("PostgreSQL had to be stopped with %v", sig)
			}
			return nil
		case <-time.After(timeout):
		}
	}
	return errors.New("PostgreSQL cannot be stopped")
}
