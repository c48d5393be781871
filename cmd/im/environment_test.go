package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"im/test/eventually"
	"im/test/pgtest"
)

// TestUnknownVariables: a node refuses variables that no setting has, and reads values from files.
func TestUnknownVariables(t *testing.T) {
	t.Parallel()
	good := services(pgtest.New(t))
	file := func(content string) string {
		path := filepath.Join(t.TempDir(), "value")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	for name, c := range map[string]struct {
		env  []string
		says []string
	}{
		"mistyped":          {[]string{"IM_ALLOWED_ORIGIN=https://a.example"}, []string{"IM_ALLOWED_ORIGIN", "IM_ALLOWED_ORIGINS"}},
		"several":           {[]string{"IM_LOGLEVEL=debug", "IM_MAXSESSIONS=1"}, []string{"IM_LOG_LEVEL", "IM_MAX_SESSIONS"}},
		"mistyped file":     {[]string{"IM_JWT_SECRTE_FILE=/none"}, []string{"IM_JWT_SECRTE_FILE"}},
		"value and file":    {[]string{"IM_JWT_SECRET_FILE=" + file("x")}, []string{"IM_JWT_SECRET_FILE"}},
		"no file":           {[]string{"IM_JWT_SECRET=", "IM_JWT_SECRET_FILE=/nowhere/secret"}, []string{"IM_JWT_SECRET_FILE", "/nowhere/secret"}},
		"empty file":        {[]string{"IM_JWT_SECRET=", "IM_JWT_SECRET_FILE=" + file("\n")}, []string{"IM_JWT_SECRET_FILE", "empty"}},
		"wrong value there": {[]string{"IM_JWT_SECRET=", "IM_JWT_SECRET_FILE=" + file("short\n")}, []string{"IM_JWT_SECRET"}},
		"unescaped":         {[]string{"IM_DATABASE_URL=postgres://im:pa/ss@db/im"}, []string{"IM_DATABASE_PASSWORD"}},
		"no time to stop":   {[]string{"IM_DRAIN=0s"}, []string{"IM_DRAIN"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPlain(t, append(append([]string{}, good...), c.env...), "serve")
			require.Equal(t, 2, p.wait(), "%s\n%s", p.out, p.err)
			for _, want := range c.says {
				require.Contains(t, p.err.String(), want)
			}
			require.NotContains(t, p.err.String(), "pa/ss")
		})
	}

	t.Run("every value from a file, beside those of an orchestrator", func(t *testing.T) {
		t.Parallel()
		p, addr := startNode(
			t, "IM_DATABASE_URL_FILE="+file(pgtest.New(t)+"\n"), "IM_JWT_SECRET_FILE="+file(testSecret+"\r\n"),
			"IM_REDIS_URL="+envOr("IM_TEST_REDIS_URL", "redis://127.0.0.1:6379/0"),
			"IM_AMQP_URL="+envOr("IM_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/"),
			"IM_PREFIX_FILE="+file("cmd-"+uuid.NewString()[:8]), "IM_START_TIMEOUT=60s",
			"IM_SERVICE_HOST=10.0.0.1", "IM_SERVICE_PORT=8080", "IM_SERVICE_PORT_HTTP=8080", "IM_PORT=tcp://10.0.0.1:8080",
			"IM_PORT_8080_TCP=tcp://10.0.0.1:8080", "IM_PORT_8080_TCP_ADDR=10.0.0.1", "IM_REDIS_PORT=tcp://10.0.0.2:6379", "IM_TEST_X=1",
		)
		connect(t, addr, "phone")
		health := startPlain(t, []string{"IM_ADDR=" + addr}, "health")
		require.Equal(t, 0, health.wait(), health.err)
		require.Equal(t, "ok\n", health.out.String())
		p.signal(syscall.SIGTERM)
		require.Equal(t, 0, p.wait(), p.err)
		eventually.True(t, "the health check fails", func() bool {
			gone := startPlain(t, []string{"IM_ADDR=" + addr}, "health")
			return gone.wait() == 1
		})
	})
}
