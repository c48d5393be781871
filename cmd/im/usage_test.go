package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/test/pgtest"
)

// envOr returns an environment variable, or otherwise if it is unset or empty.
func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// services returns settings with which a node starts.
func services(databaseURL string) []string {
	return []string{
		"IM_DATABASE_URL=" + databaseURL,
		"IM_REDIS_URL=" + envOr("IM_TEST_REDIS_URL", "redis://127.0.0.1:6379/0"),
		"IM_AMQP_URL=" + envOr("IM_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/"),
		"IM_JWT_SECRET=" + testSecret, "IM_ADDR=127.0.0.1:0", "IM_START_TIMEOUT=60s",
	}
}

// TestUsage: the error names a missing or wrong setting, and the exit code is 2.
func TestUsage(t *testing.T) {
	t.Parallel()
	good := services(pgtest.New(t))
	taken := takenAddr(t)
	const password = "pass-word-of-a-user"
	for name, c := range map[string]struct {
		command string
		env     []string
		says    string
	}{
		"unknown command":              {"sing", nil, "sing"},
		"unknown flag":                 {"serve --loud", nil, "--loud"},
		"unknown workload":             {"bench nothing", nil, "nothing"},
		"too many in flight":           {"bench --in-flight=65", nil, "--in-flight"},
		"no duration":                  {"bench --duration=0s", nil, "--duration"},
		"both --serve and --url":       {"bench --serve --url=http://127.0.0.1:1", nil, "--url"},
		"migrate without a command":    {"migrate", nil, "up"},
		"no secret":                    {"serve", []string{"IM_JWT_SECRET="}, "IM_JWT_SECRET"},
		"short secret":                 {"serve", []string{"IM_JWT_SECRET=short"}, "IM_JWT_SECRET"},
		"bad JWKS URL":                 {"serve", []string{"IM_JWKS_URL=keys"}, "IM_JWKS_URL"},
		"bad session policy":           {"serve", []string{"IM_SESSION_POLICY=some"}, "IM_SESSION_POLICY"},
		"bad log level":                {"serve", []string{"IM_LOG_LEVEL=loud"}, "IM_LOG_LEVEL"},
		"bad log format":               {"serve --log-format=xml", nil, "--log-format"},
		"bad migrate":                  {"serve", []string{"IM_MIGRATE=perhaps"}, "IM_MIGRATE"},
		"bad origin":                   {"serve", []string{"IM_ALLOWED_ORIGINS=https://a.example,b.example"}, "IM_ALLOWED_ORIGINS"},
		"origin with a path":           {"serve", []string{"IM_ALLOWED_ORIGINS=https://a.example/"}, "IM_ALLOWED_ORIGINS"},
		"bad rate":                     {"serve", []string{"IM_RATE_USER_SENDS=10/s"}, "IM_RATE_USER_SENDS"},
		"origin that never matches":    {"serve", []string{"IM_ALLOWED_ORIGINS=wss://a.example"}, "IM_ALLOWED_ORIGINS"},
		"public URL without a scheme":  {"serve", []string{"IM_PUBLIC_URL=chat.example.com"}, "IM_PUBLIC_URL"},
		"idle timeout too short":       {"serve", []string{"IM_IDLE_TIMEOUT=5ms"}, "IM_IDLE_TIMEOUT"},
		"PROXY protocol of everybody":  {"serve", []string{"IM_PROXY_PROTOCOL=on"}, "IM_TRUSTED_PROXIES"},
		"missing file of authorities":  {"serve", []string{"IM_JWKS_CA_FILE=/nonexistent.pem"}, "IM_JWKS_CA_FILE"},
		"bad proxy":                    {"serve", []string{"IM_TRUSTED_PROXIES=nginx"}, "IM_TRUSTED_PROXIES"},
		"sessions below 0":             {"serve", []string{"IM_MAX_SESSIONS=-1"}, "IM_MAX_SESSIONS"},
		"limit of zero":                {"serve", []string{"IM_LIMIT_CONTENT_BYTES=0"}, "content_bytes"},
		"limit without number":         {"serve", []string{"IM_LIMIT_FRAME_BYTES=much"}, "IM_LIMIT_FRAME_BYTES"},
		"bad prefix":                   {"serve", []string{"IM_PREFIX=two words"}, "IM_PREFIX"},
		"bad node name":                {"serve", []string{"IM_NODE_NAME=a:b"}, "IM_NODE_NAME"},
		"bad address":                  {"serve", []string{"IM_ADDR=nowhere"}, "IM_ADDR"},
		"address taken":                {"serve", []string{"IM_ADDR=" + taken}, "IM_ADDR"},
		"not a database URL":           {"serve", []string{"IM_DATABASE_URL=mysql://u:" + password + "@h/x"}, "IM_DATABASE_URL"},
		"database unreachable":         {"serve", []string{"IM_DATABASE_URL=postgres://u:" + password + "@127.0.0.1:1/x", "IM_START_TIMEOUT=3s"}, "IM_DATABASE_URL"},
		"no schema":                    {"serve", []string{"IM_DATABASE_URL=" + pgtest.NewEmpty(t), "IM_MIGRATE=off", "IM_START_TIMEOUT=3s"}, "IM_DATABASE_URL: not ready after 3s: the database has no schema: run the migrations (im migrate up)"},
		"not a Redis URL":              {"serve", []string{"IM_REDIS_URL=http://u:" + password + "@h"}, "IM_REDIS_URL"},
		"Redis unreachable":            {"serve", []string{"IM_REDIS_URL=redis://u:" + password + "@127.0.0.1:1", "IM_START_TIMEOUT=3s"}, "IM_REDIS_URL"},
		"not an AMQP URL":              {"serve", []string{"IM_AMQP_URL=http://u:" + password + "@h"}, "IM_AMQP_URL"},
		"RabbitMQ unreachable":         {"serve", []string{"IM_AMQP_URL=amqp://u:" + password + "@127.0.0.1:1", "IM_START_TIMEOUT=3s"}, "IM_AMQP_URL"},
		"RabbitMQ refuses":             {"serve", []string{"IM_AMQP_URL=" + strings.Replace(envOr("IM_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/"), ":guest@", ":"+password+"@", 1)}, "IM_AMQP_URL"},
		"traces to nowhere":            {"serve", []string{"IM_TRACE_URL=grpc://h:4317"}, "IM_TRACE_URL"},
		"traces with a password":       {"serve", []string{"IM_TRACE_URL=http://u:" + password + "@h"}, "IM_TRACE_URL"},
		"more traces than requests":    {"serve", []string{"IM_TRACE_RATIO=2"}, "IM_TRACE_RATIO"},
		"top with a bad URL":           {"top --admin-url nowhere", nil, "--admin-url"},
		"top without an interval":      {"top --interval 0s", nil, "--interval"},
		"support with a bad URL":       {"support --admin-url http://u:" + password + "@h", nil, "--admin-url"},
		"no node":                      {"dev --nodes 0", nil, "--nodes"},
		"dev's address taken":          {"dev --ephemeral --addr " + taken, nil, "IM_ADDR"},
		"dev beyond loopback":          {"dev --ephemeral --addr 0.0.0.0:0", []string{"IM_JWT_SECRET="}, "IM_JWT_SECRET"},
		"no PostgreSQL there":          {"dev --ephemeral --postgres-bin /nowhere", nil, "IM_POSTGRES_BIN"},
		"dev with two folders":         {"dev --ephemeral --data " + t.TempDir(), nil, "--data"},
		"token without user":           {"token", nil, "--user"},
		"token without secret":         {"token --user u", []string{"IM_JWT_SECRET="}, "IM_JWT_SECRET"},
		"bad user":                     {"token --user a/b", nil, "--user"},
		"token already expired":        {"token --user u --ttl -1h", nil, "--ttl"},
		"chat without user":            {"chat", nil, "--user"},
		"verify with a bad URL":        {"verify --url nowhere", nil, "--url"},
		"verify with too few users":    {"verify --users 2", nil, "--users"},
		"verify without duration":      {"verify --duration 0s", nil, "--duration"},
		"verify, bad prefix":           {"verify --user-prefix a/b", nil, "--user-prefix"},
		"verify with IM_CONVERSATIONS": {"verify --url nowhere", []string{"IM_CONVERSATIONS=server"}, "--url"},
		"chat with a bad URL":          {"chat --user u --url nowhere", nil, "--url"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPlain(t, append(append([]string{}, good...), c.env...), strings.Fields(c.command)...)
			require.Equal(t, 2, p.wait(), "%s\n%s", p.out, p.err)
			require.Contains(t, p.err.String(), c.says)
			require.NotContains(t, p.err.String(), password)
			require.NotContains(t, p.err.String(), testSecret)
			require.Empty(t, p.out.String())
		})
	}
}

// Settings of nodes, and what says where to connect, have environment variables. What a
// command does is said on its command line only: a variable that happens to be in the
// environment, such as IM_USER or IM_JSON, changes nothing.
func TestVariables(t *testing.T) {
	t.Parallel()
	parser, err := newParser(streams{os.Stdout, os.Stderr}, new(cli), variables())
	require.NoError(t, err)
	settings, others := map[string]bool{}, map[string]map[string]bool{}
	for _, command := range parser.Model.Leaves(false) {
		others[command.Path()] = map[string]bool{}
		for _, group := range command.AllFlags(false) {
			for _, flag := range group {
				for _, name := range flag.Envs {
					require.Equal(t, "IM_"+strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_")), name)
					if command.Name == "serve" {
						settings[name] = true
					} else {
						others[command.Path()][name] = true
					}
				}
				require.True(t, command.Name != "serve" || flag.Name == "help" || len(flag.Envs) == 1, flag.Name)
			}
		}
	}
	require.Contains(t, settings, "IM_LIMIT_CONTENT_BYTES")
	require.Contains(t, settings, "IM_START_TIMEOUT")
	for command, names := range others {
		for name := range names {
			if !settings[name] {
				require.Contains(t, []string{"IM_URL", "IM_TOKEN", "IM_DATA", "IM_POSTGRES_BIN"}, name, command)
			}
		}
	}

	p := startPlain(t, []string{"IM_JWT_SECRET=" + testSecret, "IM_USER=eve", "IM_SERVER=true"}, "token")
	require.Equal(t, 2, p.wait())
	require.Contains(t, p.err.String(), "--user")
	p = startPlain(t, []string{"IM_JWT_SECRET=short"}, "token", "--user", "alice")
	require.Equal(t, 2, p.wait())
	require.Contains(t, p.err.String(), "IM_JWT_SECRET")
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"help"}, {"--help"}, {"serve", "--help"}, {"help", "dev"}} {
		p := startPlain(t, nil, args...)
		require.Equal(t, 0, p.wait())
		require.Contains(t, p.out.String(), "Usage: im")
		require.Empty(t, p.err.String())
	}
}
