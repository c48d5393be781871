package environments

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/internal/freeport"
	"im/test/eventually"
)

// nginxServer is a running nginx.
type nginxServer struct {
	URL string // http://127.0.0.1:PORT
}

// startNginx starts nginx with deploy/nginx.conf in front of a server, the address of
// which is given as host:port. Only the ports are adapted, and what replacements change:
// pairs of a text of the file and another one. nginx ends with the test.
func startNginx(t *testing.T, upstream string, replacements ...string) *nginxServer {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/nginx")
	}
	require.NoError(t, err, "this test needs nginx: apt-get install nginx-light")
	text, err := os.ReadFile("../../deploy/nginx.conf")
	require.NoError(t, err)
	addr, err := freeport.Addr()
	require.NoError(t, err)
	dir := t.TempDir()
	conf := string(text)
	replace := func(from, to string) {
		t.Helper()
		require.Contains(t, conf, from)
		conf = strings.ReplaceAll(conf, from, to)
	}
	replace("server node1:8080", "server "+upstream)
	replace("    server node2:8080 max_fails=2 fail_timeout=2s;\n", "")
	replace("    server node3:8080 max_fails=2 fail_timeout=2s;\n", "")
	replace("listen 80;", "listen "+addr+";")
	replace("worker_processes auto;", "worker_processes 1;")
	replace("http {\n", "http {\n  client_body_temp_path body;\n  proxy_temp_path proxy;\n  fastcgi_temp_path fastcgi;\n  uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n")
	for i := 0; i < len(replacements); i += 2 {
		replace(replacements[i], replacements[i+1])
	}
	file := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(file, []byte(conf), 0o600))

	directives := "daemon off; error_log stderr notice; pid nginx.pid;"
	if os.Geteuid() == 0 {
		directives += " user root;" // the workers write below the folder of the test
	}
	cmd := exec.Command(program, "-p", dir, "-c", file, "-g", directives)
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	require.NoError(t, cmd.Start())
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := <-exited; err != nil || t.Failed() {
			t.Logf("nginx: %v\n%s", err, output.String())
		}
	})
	eventually.NoError(t, "nginx listens", func() error {
		select {
		case err := <-exited:
			exited <- err
			t.Fatalf("nginx exited: %v\n%s", err, output.String())
		default:
		}
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
	return &nginxServer{URL: "http://" + addr}
}
