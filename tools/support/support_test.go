package support

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// unpack returns the files of an archive.
func unpack(t *testing.T, path string) map[string]string {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	zip, err := gzip.NewReader(file)
	require.NoError(t, err)
	files := map[string]string{}
	for archive := tar.NewReader(zip); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(t, err)
		data, err := io.ReadAll(archive)
		require.NoError(t, err)
		files[header.Name] = string(data)
	}
}

// TestWrite: the archive has everything but what is secret, and overwrites nothing.
func TestWrite(t *testing.T) {
	const secret = "hush-hush"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/debug/pprof/heap":
			zip := gzip.NewWriter(w)
			_, _ = io.WriteString(zip, "a profile with "+secret)
			_ = zip.Close()
		case "/log-level":
			w.WriteHeader(http.StatusNotFound)
		default:
			_, _ = io.WriteString(w, "answer of "+r.URL.String())
		}
	}))
	defer server.Close()
	o := Options{
		Path: filepath.Join(t.TempDir(), "out.tar.gz"), AdminURLs: []string{server.URL, "http://127.0.0.1:1"}, Secrets: []string{secret, ""},
		JSON: map[string]any{"doctor.json": map[string]string{"a": "b"}, "settings.json": map[string]string{"x": "y" + secret}},
	}
	names, err := Write(t.Context(), o)
	require.NoError(t, err)
	files := unpack(t, o.Path)
	require.Len(t, files, len(names))
	require.Equal(t, "answer of /metrics", files["node-1/metrics.txt"])
	require.Equal(t, "answer of /debug/pprof/goroutine?debug=1", files["node-1/goroutines.txt"])
	require.Contains(t, files["doctor.json"], `"a": "b"`)
	for _, left := range []string{"settings.json: left out", "node-1/heap.pb.gz: left out", "node-1/log-level.json: ", "node-2/metrics.txt: "} {
		require.Contains(t, files["errors.txt"], left)
		name, _, _ := strings.Cut(left, ":")
		require.NotContains(t, files, name)
	}
	for name, text := range files {
		require.NotContains(t, text, secret, name)
	}
	info, err := os.Stat(o.Path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	before, err := os.ReadFile(o.Path)
	require.NoError(t, err)
	_, err = Write(t.Context(), o)
	require.ErrorContains(t, err, "exists already")
	after, err := os.ReadFile(o.Path)
	require.NoError(t, err)
	require.Equal(t, before, after)
}
