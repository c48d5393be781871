package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"im/test/pgtest"
)

// configFile writes a configuration file and returns its path.
func configFile(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "im.yaml")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}

// TestConfigFile: a node starts with settings of a file. The environment takes precedence
// over the file, and a flag over both.
func TestConfigFile(t *testing.T) {
	t.Parallel()
	lines := []string{"log_format: json", "log_level: warn", "node_name: of-file", "limit_page_events: 7"}
	for _, kv := range services(pgtest.New(t)) {
		name, value, _ := strings.Cut(kv, "=")
		lines = append(lines, strings.ToLower(strings.TrimPrefix(name, "IM_"))+": "+value)
	}
	path := configFile(t, lines...)
	p := startPlain(t, []string{"IM_LOG_LEVEL=info", "IM_NODE_NAME=of-variable"}, "serve", "--config", path, "--node-name=of-flag")
	p.waitOutput(`"msg":"serving"`)
	require.Contains(t, p.err.String(), "of-flag")
	p.signal(syscall.SIGTERM)
	require.Equal(t, 0, p.wait(), p.err)

	p = startPlain(t, []string{"IM_CONFIG=" + path, "IM_LIMIT_PAGE_EVENTS=x"}, "serve")
	require.Equal(t, 2, p.wait(), p.err)
	require.Contains(t, p.err.String(), "IM_LIMIT_PAGE_EVENTS")
	require.NotContains(t, p.err.String(), path, "the wrong value is not of the file")
}

// TestConfigFileErrors: errors name the file and the line.
func TestConfigFileErrors(t *testing.T) {
	t.Parallel()
	good := services("postgres://nobody@127.0.0.1:1/none")
	for name, c := range map[string]struct {
		line string
		says []string
	}{
		"unknown key":     {"log_lvl: debug", []string{"im.yaml:2: log_lvl", "the nearest is log_level"}},
		"another file":    {"config: other.yaml", []string{"im.yaml:2: config"}},
		"wrong value":     {"limit_page_events: many", []string{"IM_LIMIT_PAGE_EVENTS", "im.yaml:2"}},
		"found wrong":     {"trusted_proxies: [nginx]", []string{"IM_TRUSTED_PROXIES", "im.yaml:2"}},
		"no file of it":   {"amqp_password_file: /nowhere/it", []string{"IM_AMQP_PASSWORD_FILE", "/nowhere/it", "im.yaml:2"}},
		"not YAML at all": {"log_level: [", []string{"im.yaml: line"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPlain(t, good, "serve", "--config="+configFile(t, "# settings", c.line))
			require.Equal(t, 2, p.wait(), p.err)
			for _, want := range c.says {
				require.Contains(t, p.err.String(), want)
			}
		})
	}
	p := startPlain(t, good, "serve", "--config=/nowhere/im.yaml")
	require.Equal(t, 2, p.wait())
	require.Contains(t, p.err.String(), "IM_CONFIG")
}

// TestConfigCheck: all problems come at once, from the file, the environment and the flags,
// and none of the values of secrets.
func TestConfigCheck(t *testing.T) {
	t.Parallel()
	env := []string{"IM_JWT_SECRET=short-secret", "IM_LOGLEVEL=debug", "IM_REDIS_URL=http://u:hush@h", "IM_MAX_SESSIONS=-1"}
	path := configFile(t, "log_format: xml", "limit_page_events: 0", "idle_timeout: 1ms", "prefix: two words", "jwks_ca: /x")
	p := startPlain(t, env, "config", "check", "--config", path, "--drain=0s", "--public-url=chat")
	require.Equal(t, 2, p.wait(), p.err)
	require.Empty(t, p.out.String())
	for _, want := range []string{
		"im.yaml:5: jwks_ca", "IM_LOGLEVEL", "im.yaml:1: --log-format", "im.yaml:2", "im.yaml:3", "im.yaml:4", "IM_DRAIN", "IM_PUBLIC_URL",
		"IM_JWT_SECRET", "IM_REDIS_URL", "IM_MAX_SESSIONS", "the settings have 11 problems",
	} {
		require.Contains(t, p.err.String(), want)
	}
	for _, secret := range []string{"short-secret", "hush"} {
		require.NotContains(t, p.err.String(), secret)
	}

	p = startPlain(t, services("postgres://im@db/im"), "config", "check", "--config", configFile(t, "log_level: debug"))
	require.Equal(t, 0, p.wait(), p.err)
	require.Equal(t, "the settings are valid\n", p.out.String())
	p = startPlain(t, services("postgres://im@db/im"), "config", "check", "--loud")
	require.Equal(t, 2, p.wait(), p.err)
	require.Contains(t, p.err.String(), "--loud")
}

// TestConfigPrint: each value has its source, no secret is printed, and what is printed
// is a configuration file.
func TestConfigPrint(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("the secret of hush, which has 32 bytes"), 0o600))
	env := []string{
		"IM_JWT_SECRET_FILE=" + secret, "IM_DATABASE_URL=postgres://im:hush@db/im?sslpassword=hush", "IM_REDIS_PASSWORD=hush",
		"IM_AMQP_URL=amqp://a:hu,sh@one,two/v", "IM_JWKS_URL=https://u:hush@keys.example/?token=hush",
	}
	path := configFile(t, "jwt_issuer: [https://one.example, https://two.example]", "drain: 20s")
	p := startPlain(t, env, "config", "print", "--json", "--config", path, "--drain", "9s")
	require.Equal(t, 0, p.wait(), p.err)
	require.NotContains(t, p.out.String(), "hush")
	require.NotContains(t, p.out.String(), "hu,sh")
	var list []printedSetting
	require.NoError(t, json.Unmarshal([]byte(p.out.String()), &list))
	values := map[string]printedSetting{}
	for _, s := range list {
		values[s.Variable] = s
	}
	require.Equal(t, printedSetting{Variable: "IM_DRAIN", Key: "drain", Value: "9s", Source: "--drain"}, values["IM_DRAIN"])
	require.Equal(t, printedSetting{Variable: "IM_ADDR", Key: "addr", Value: ":8080", Source: "default"}, values["IM_ADDR"])
	require.Equal(t, path+":1", values["IM_JWT_ISSUER"].Source)
	require.Equal(t, "IM_JWT_SECRET_FILE ("+secret+")", values["IM_JWT_SECRET"].Source)
	require.Equal(t, "[redacted]", values["IM_JWT_SECRET"].Value)
	require.Equal(t, "[redacted]", values["IM_REDIS_PASSWORD"].Value)

	p = startPlain(t, env, "config", "print", "--config", path)
	require.Equal(t, 0, p.wait(), p.err)
	require.NotContains(t, p.out.String(), "hush")
	require.Contains(t, p.out.String(), `drain: "20s" # `+path+":2\n")
	again := filepath.Join(t.TempDir(), "printed.yaml")
	require.NoError(t, os.WriteFile(again, []byte(p.out.String()), 0o600))
	p = startPlain(t, nil, "config", "print", "--json", "--config", again)
	require.Equal(t, 0, p.wait(), p.err)
	require.Contains(t, p.out.String(), again)
}
