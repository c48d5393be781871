package devservices

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// superuser is the only role. It has no password: other users cannot enter the folder of
// the socket.
const superuser = "postgres"

// initialize creates the data folder with initdb, unless it exists. initdb writes to a
// folder next to it, which is renamed when it is complete. So an interrupted initdb
// leaves nothing that would be used.
func (p *Postgres) initialize(ctx context.Context, bin string, id identity, logger *slog.Logger) error {
	if majorVersion(p.dir) != 0 {
		return id.own(p.dir)
	}
	if entries, err := os.ReadDir(p.dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s contains files that are not PostgreSQL's data", p.dir)
	}
	logger.Info("creating a new database", "dir", p.dir)
	fresh := p.dir + ".new"
	if err := errors.Join(os.RemoveAll(fresh), os.Mkdir(fresh, 0o700)); err != nil {
		return err
	}
	if err := id.own(fresh); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"),
		"-D", fresh, "-U", superuser, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	id.apply(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	if err := os.Remove(p.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(fresh, p.dir)
}

// majorVersion returns the major version of the server that created the data in dir, or
// 0 if there is no data.
func majorVersion(dir string) int {
	text, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if err != nil {
		return 0
	}
	major, _, _ := strings.Cut(strings.TrimSpace(string(text)), ".")
	n, _ := strconv.Atoi(major)
	return n
}
