package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/test/pgtest"
	"im/tools/doctor"
	"im/tools/top"
)

// TestTopAndSupport: both find what a running node says, and neither tells a secret.
func TestTopAndSupport(t *testing.T) {
	t.Parallel()
	const password = "a-password-of-the-database"
	admin := freeAddr(t)
	env := append(services(pgtest.New(t)), "IM_PREFIX=support-command", "IM_ADMIN_ADDR="+admin, "IM_DATABASE_PASSWORD="+password)
	_, addr := startNode(t, env...)
	connect(t, addr, "d")

	run := func(args ...string) *program {
		t.Helper()
		p := startPlain(t, env, args...)
		require.Equal(t, 0, p.wait(), "%s\n%s", p.out, p.err)
		return p
	}
	var frame top.Frame
	require.NoError(t, json.Unmarshal([]byte(run("top", "--json", "--interval=100ms", "--admin-url=http://"+admin).out.String()), &frame))
	require.Len(t, frame.Nodes, 1)
	require.Empty(t, frame.Nodes[0].Error)
	require.Equal(t, 1.0, frame.Total.Sessions)
	require.True(t, frame.Total.Serving)
	require.Positive(t, frame.Total.PoolMax)
	text := run("top", "--once", "--interval=100ms", "--admin-url=http://"+admin).out.String()
	require.Contains(t, text, "sessions")
	require.Contains(t, text, admin)
	p := startPlain(t, env, "top", "--interval=100ms", "--admin-url=http://127.0.0.1:1")
	require.Equal(t, 1, p.wait(), "no node answers")

	path := filepath.Join(t.TempDir(), "out.tar.gz")
	p = run("support", "--output="+path, "--admin-url=http://"+admin)
	require.Equal(t, path, strings.TrimSpace(p.out.String()))
	files := unpack(t, path)
	for _, name := range []string{"doctor.json", "settings.json", "version.json", "node-1/metrics.txt", "node-1/goroutines.txt", "node-1/heap.pb.gz", "node-1/log-level.json"} {
		require.NotEmpty(t, files[name], name)
	}
	require.NotContains(t, files, "errors.txt")
	require.Contains(t, files["node-1/metrics.txt"], "im_sessions 1")
	require.Contains(t, files["settings.json"], "support-command")
	var report doctor.Report
	require.NoError(t, json.Unmarshal([]byte(files["doctor.json"]), &report))
	require.NotEmpty(t, report.Findings)
	for name, text := range files {
		if strings.HasSuffix(name, ".gz") {
			unpacked, err := gzip.NewReader(strings.NewReader(text))
			require.NoError(t, err)
			data, err := io.ReadAll(unpacked)
			require.NoError(t, err)
			text += string(data)
		}
		for _, secret := range []string{password, testSecret, "guest:guest"} {
			require.NotContains(t, text, secret, name)
		}
	}
	p = startPlain(t, env, "support", "--output="+path, "--admin-url=http://"+admin)
	require.Equal(t, 1, p.wait(), "nothing is overwritten")
	require.Contains(t, p.err.String(), "exists already")
}

// The password of a URL with several hosts, or one that is not escaped, is looked for as
// well: what a node answers is left out if it has the password.
func TestSupportKnowsAllPasswords(t *testing.T) {
	t.Parallel()
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, map[string]string{
			"/metrics": "x sec,r3t-of-events,x", "/debug/pprof/heap": "x sec%2Cr3t-of-events,x", "/debug/pprof/goroutine": "sec,r3t-of-others",
		}[r.URL.Path])
	}))
	t.Cleanup(node.Close)
	env := append(services(pgtest.New(t)), "IM_EVENTS_URL=nats://u:sec%2Cr3t-of-events,x@127.0.0.1:1,127.0.0.1:2/stream")
	path := filepath.Join(t.TempDir(), "out.tar.gz")
	p := startPlain(t, env, "support", "--output="+path, "--admin-url="+node.URL)
	require.Equal(t, 0, p.wait(), "%s\n%s", p.out, p.err)
	files := unpack(t, path)
	require.Contains(t, files["node-1/goroutines.txt"], "sec,r3t-of-others")
	require.Contains(t, files["settings.json"], "nats://u:[redacted]@127.0.0.1:1,127.0.0.1:2/stream")
	for _, name := range []string{"node-1/metrics.txt", "node-1/heap.pb.gz"} {
		require.NotContains(t, files, name)
		require.Contains(t, files["errors.txt"], name+": left out")
	}
}

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
