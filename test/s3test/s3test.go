// Package s3test runs an S3 server of a test's own, which the test may kill. It verifies
// signatures and checksums. It is for tests only.
package s3test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"im/internal/freeport"
	"im/test/eventually"
)

// The server is a program and not a dependency: its module needs more than a hundred others.
const (
	program = "github.com/versity/versitygw/cmd/versitygw"
	version = "v1.8.0"
)

// The keys of the server.
const (
	AccessKey = "im-tests"
	SecretKey = "a secret key of the tests"
)

const (
	bucket = "im-files"
	region = "us-east-1"
)

// Server is an S3 server with one bucket.
type Server struct {
	t      testing.TB
	addr   string
	folder string
	cmd    *exec.Cmd
	client *minio.Client
}

// binary returns the path of the program. It builds the program once for all tests of the
// machine.
var binary = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "im-tests")
	path := filepath.Join(dir, "versitygw-"+version[1:])
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	built, err := os.MkdirTemp("", "im-s3-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(built) }()
	build := exec.Command("go", "install", program+"@"+version)
	build.Env = append(os.Environ(), "GOBIN="+built, "GOFLAGS=")
	build.Dir = built
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", program, err, output)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(built, "versitygw"))
	if err != nil {
		return "", err
	}
	part := filepath.Join(dir, filepath.Base(built))
	if err := os.WriteFile(part, text, 0o755); err != nil {
		return "", err
	}
	return path, os.Rename(part, path)
})

// Start starts a server with an empty bucket. It is killed when the test ends. The server
// takes a minute of two cores to build, so the tests that need it are skipped with -short.
func Start(t testing.TB) *Server {
	t.Helper()
	if testing.Short() {
		t.Skip("make test-environments runs the tests with an S3 server")
	}
	addr, err := freeport.Addr()
	require.NoError(t, err)
	s := &Server{t: t, addr: addr, folder: t.TempDir()}
	for _, name := range []string{"data", "meta"} {
		require.NoError(t, os.Mkdir(filepath.Join(s.folder, name), 0o700))
	}
	s.client, err = minio.New(addr, &minio.Options{Creds: credentials.NewStaticV4(AccessKey, SecretKey, ""), Region: region})
	require.NoError(t, err)
	t.Cleanup(s.Kill)
	s.Resume()
	require.NoError(t, s.client.MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{}))
	return s
}

// Resume starts the server again after Kill, with its data.
func (s *Server) Resume() {
	s.t.Helper()
	path, err := binary()
	require.NoError(s.t, err)
	s.cmd = exec.Command(path, "--access", AccessKey, "--secret", SecretKey, "--region", region, "--port", s.addr, "--quiet",
		"posix", "--sidecar", filepath.Join(s.folder, "meta"), filepath.Join(s.folder, "data"))
	s.cmd.Stderr = os.Stderr
	require.NoError(s.t, s.cmd.Start())
	eventually.NoError(s.t, "the S3 server answers", func() error {
		_, err := s.client.ListBuckets(s.t.Context())
		return err
	})
}

// Kill ends the server without warning.
func (s *Server) Kill() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// Publish lets everyone read the bucket.
func (s *Server) Publish(t testing.TB) {
	t.Helper()
	require.NoError(t, s.client.SetBucketPolicy(t.Context(), bucket, `{"Version":"2012-10-17","Statement":[{
		"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::`+bucket+`/*"}]}`))
}

// Address returns the address of the bucket, as a setting.
func (s *Server) Address() string {
	return "s3://" + bucket + "?endpoint=http://" + s.addr + "&region=" + region
}

// URL returns the address of the bucket for clients.
func (s *Server) URL() string { return "http://" + s.addr + "/" + bucket + "/" }

// Keys returns the keys of all objects.
func (s *Server) Keys() (keys []string) {
	s.t.Helper()
	for object := range s.client.ListObjects(s.t.Context(), bucket, minio.ListObjectsOptions{Recursive: true}) {
		require.NoError(s.t, object.Err)
		keys = append(keys, object.Key)
	}
	return keys
}
