package environments

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"im/internal/freeport"
	"im/test/eventually"
	"im/test/pgtest"
)

const containerUser = 54321 // no account has this id

// image returns a folder with the content of the container image, which the user of the
// container cannot write to: the program and nothing else.
func image(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	program, err := os.ReadFile(binary)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "im"), program, 0o755))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755)) // the user of the container must enter it
	require.NoError(t, os.Chmod(dir, 0o555))
	t.Cleanup(func() { _ = os.Chmod(dir, 0o755) })
	return dir
}

// inImage returns a command that runs in the image as a user without an account. Root
// changes the user; an ordinary user needs a user namespace for chroot.
func inImage(t *testing.T, root string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), "/im", args...)
	c.Dir, c.Env = "/", env
	c.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	if os.Getuid() == 0 {
		c.SysProcAttr.Credential = &syscall.Credential{Uid: containerUser, Gid: containerUser}
	} else {
		c.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: containerUser, HostID: os.Getuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: containerUser, HostID: os.Getgid(), Size: 1}}
	}
	return c
}

// TestContainer: a node runs in an image without a shell, an account or a file that it can
// write. The health check follows IM_ADDR and fails when the node is away.
func TestContainer(t *testing.T) {
	t.Parallel()
	root := image(t)
	addr, err := freeport.Addr()
	require.NoError(t, err)
	require.NoError(t, os.Chmod(root, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "secret"), []byte(testSecret+"\n"), 0o444))
	require.NoError(t, os.Chmod(root, 0o555))
	env := []string{
		"IM_ADDR=" + addr, "IM_PREFIX=env-" + uuid.NewString()[:8], "IM_JWT_SECRET_FILE=/secret",
		"IM_DATABASE_URL=" + pgtest.New(t),
		"IM_REDIS_URL=" + envOr("IM_TEST_REDIS_URL", "redis://127.0.0.1:6379/0"),
		"IM_AMQP_URL=" + envOr("IM_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/"),
	}
	check := func(args ...string) (string, error) {
		output, err := inImage(t, root, env, append([]string{"health"}, args...)...).CombinedOutput()
		return strings.TrimSpace(string(output)), err
	}
	output, err := check()
	require.Error(t, err, "no node runs")
	require.Contains(t, output, addr)

	node := inImage(t, root, env, "serve")
	var log strings.Builder
	node.Stdout, node.Stderr = &log, &log
	require.NoError(t, node.Start())
	eventually.NoError(t, "the health check succeeds", func() error { _, err := check("--ready"); return err })
	output, err = check()
	require.NoError(t, err)
	require.Equal(t, "ok", output)

	require.NoError(t, node.Process.Signal(syscall.SIGTERM))
	require.NoError(t, node.Wait(), "%s", &log)
}
