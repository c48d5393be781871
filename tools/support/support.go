// Package support is the code behind `im support`. It packs what is needed to find the fault
// of a cluster, and nothing that is secret.
package support

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"im/tools/top"
)

const (
	maxBody     = 64 << 20 // of one answer of a node
	nodeTimeout = 20 * time.Second
)

// Options say what to pack.
type Options struct {
	// Path is the file to write. It must not exist.
	Path string
	// AdminURLs are the addresses for operators of nodes.
	AdminURLs []string
	// JSON are values to pack, by the names of their files.
	JSON map[string]any
	// Secrets are texts that must not be in the archive. A file that has one is left out.
	Secrets []string
}

// answers are the files that a node serves, by their names in the archive. There is no
// cmdline among them: it may hold secrets.
var answers = map[string]string{
	"metrics.txt":    "/metrics",
	"goroutines.txt": "/debug/pprof/goroutine?debug=1",
	"heap.pb.gz":     "/debug/pprof/heap",
	"log-level.json": "/log-level",
}

// file is a file of the archive.
type file struct {
	name string
	data []byte
}

// Write writes the archive, a .tar.gz that only its owner may read, and returns the names
// of the files in it. What a node does not answer is listed in errors.txt.
func Write(ctx context.Context, o Options) (names []string, err error) {
	out, err := os.OpenFile(o.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil, fmt.Errorf("%s exists already and is not overwritten", o.Path)
		}
		return nil, err
	}
	defer func() {
		if failed := errors.Join(err, out.Close()); failed != nil {
			_ = os.Remove(o.Path)
			names, err = nil, failed
		}
	}()
	files, err := gather(ctx, o)
	if err != nil {
		return nil, err
	}
	return pack(out, files)
}

// gather returns all files, without those that have a secret.
func gather(ctx context.Context, o Options) ([]file, error) {
	var files []file
	var problems []string
	for _, name := range sortedKeys(o.JSON) {
		data, err := encode(o.JSON[name])
		if err != nil {
			return nil, err
		}
		files = append(files, file{name, data})
	}
	nodes := make([][]file, len(o.AdminURLs))
	failures := make([][]string, len(o.AdminURLs))
	var asking sync.WaitGroup
	for i, base := range o.AdminURLs {
		asking.Go(func() { nodes[i], failures[i] = ask(ctx, base, fmt.Sprintf("node-%d", i+1)) })
	}
	asking.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for i := range nodes {
		files, problems = append(files, nodes[i]...), append(problems, failures[i]...)
	}
	var safe []file
	for _, f := range files {
		if hasSecret(f, o.Secrets) {
			problems = append(problems, f.name+": left out, because it has the value of a secret setting")
			continue
		}
		safe = append(safe, f)
	}
	if len(problems) > 0 {
		safe = append(safe, file{"errors.txt", []byte(strings.Join(problems, "\n") + "\n")})
	}
	return safe, nil
}

// ask returns the answers of a node, and what failed.
func ask(ctx context.Context, base, folder string) (files []file, problems []string) {
	files = append(files, file{path.Join(folder, "url.txt"), []byte(base + "\n")})
	for _, name := range sortedKeys(answers) {
		data, err := get(ctx, base+answers[name])
		if err != nil {
			problems = append(problems, path.Join(folder, name)+": "+err.Error())
			continue
		}
		files = append(files, file{path.Join(folder, name), data})
	}
	return files, problems
}

func get(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, nodeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := top.Client(url).Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, response.Status)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err == nil && len(data) > maxBody {
		err = fmt.Errorf("%s answers more than %d bytes", url, maxBody)
	}
	return data, err
}

// hasSecret reports whether a file has a secret, also inside of what is compressed.
func hasSecret(f file, secrets []string) bool {
	text := string(f.data)
	if strings.HasSuffix(f.name, ".gz") {
		if unpacked, err := gunzip(f.data); err == nil {
			text = string(unpacked)
		}
	}
	for _, secret := range secrets {
		if secret != "" && strings.Contains(text, secret) {
			return true
		}
	}
	return false
}

func gunzip(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(strings.NewReader(string(data)))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, 4*maxBody))
}

func pack(w io.Writer, files []file) (names []string, err error) {
	zip := gzip.NewWriter(w)
	archive := tar.NewWriter(zip)
	now := time.Now()
	for _, f := range files {
		header := &tar.Header{Name: f.name, Mode: 0o600, Size: int64(len(f.data)), ModTime: now}
		if err := archive.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := archive.Write(f.data); err != nil {
			return nil, err
		}
		names = append(names, f.name)
	}
	return names, errors.Join(archive.Close(), zip.Close())
}

func encode(value any) ([]byte, error) {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return []byte(text.String()), err
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
