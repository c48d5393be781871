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

// superuser is the only role; the socket's folder is what keeps others out.
const superuser = "postgres"

// initialize makes the data folder with initdb, unless it is there. initdb
// writes beside it and the result is renamed, so a half-made one is never used.
func (p *Postgres) initialize(ctx context.Context, bin string, id identity, logger *slog.Logger) error {
	if majorVersion(p.dir) != 0 {
		return id.own(p.dir)
	}
	if entries, err := os.ReadDir(p.dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s holds something that is not PostgreSQL's data", p.dir)
	}
	logger.Info("making a new database", "dir", p.dir)
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

// majorVersion is that of the server that made the data in dir; 0 if there is none.
func majorVersion(dir string) int {
	text, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if err != nil {
		return 0
	}
	major, _, _ := strings.Cut(strings.TrimSpace(string(text)), ".")
	n, _ := strconv.Atoi(major)
	return n
}
