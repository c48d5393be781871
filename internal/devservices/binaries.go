package devservices

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// oldest is the oldest major version of PostgreSQL that the schema works with.
const oldest = 14

// ErrNoPostgres is returned if no PostgreSQL is installed and none can be downloaded.
var ErrNoPostgres = errors.New("no PostgreSQL found")

const advice = `install one (Debian, Ubuntu: apt-get install postgresql; macOS: brew install postgresql),
or set IM_POSTGRES_BIN to the folder that holds initdb and postgres`

// binaries returns a folder with initdb and postgres of a major version. Existing data
// requires the version that created it; 0 accepts any version.
func binaries(ctx context.Context, bin string, major int, logger *slog.Logger) (string, error) {
	if bin != "" {
		dir, err := filepath.Abs(bin)
		if err != nil {
			return "", err
		}
		if found := version(ctx, dir); found == 0 {
			return "", fmt.Errorf("IM_POSTGRES_BIN: no initdb and postgres in %s", bin)
		} else if major != 0 && found != major {
			return "", fmt.Errorf("IM_POSTGRES_BIN: the data was created by PostgreSQL %d, and this is %d", major, found)
		}
		return dir, nil
	}
	for _, dir := range candidates(ctx) {
		if found := version(ctx, dir); found >= oldest && (major == 0 || found == major) {
			return dir, nil
		}
	}
	if major != 0 && major != fetchedMajor {
		return "", fmt.Errorf("%w: the data was created by PostgreSQL %d; %s", ErrNoPostgres, major, advice)
	}
	dir, err := fetched(ctx, logger)
	if err != nil {
		return "", fmt.Errorf("%w, and none could be downloaded (%w); %s", ErrNoPostgres, err, advice)
	}
	return dir, nil
}

// candidates returns the folders in which PostgreSQL usually is, in order of preference.
func candidates(ctx context.Context) []string {
	var dirs []string
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", // Debian
		"/usr/pgsql-*/bin",          // Red Hat
		"/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
	} {
		found, _ := filepath.Glob(pattern)
		slices.Sort(found)
		slices.Reverse(found) // the newest first
		dirs = append(dirs, found...)
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(resolved))
		}
	}
	return dirs
}

// version returns the major version of the server in dir, or 0 if there is none.
func version(ctx context.Context, dir string) int {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return 0
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return 0
	}
	// postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1); before a release, 18beta1
	_, rest, _ := strings.Cut(string(out), "(PostgreSQL) ")
	digits := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if digits < 0 {
		return 0
	}
	n, _ := strconv.Atoi(rest[:digits])
	return n
}
