package settings_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/internal/settings"
)

var known = []string{"IM_ADDR", "IM_LOG_LEVEL", "IM_JWT_ISSUER", "IM_JWT_SECRET", "IM_JWKS_CA_FILE", "IM_CREATE_DATABASE", "IM_MAX_SESSIONS"}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "im.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestFile(t *testing.T) {
	t.Parallel()
	entries, err := settings.ReadFile(write(t, `# of the node
addr: :8080
jwt_issuer:
  - https://one.example
  - a,b
jwt_secret_file: &path /run/secrets/jwt
jwks_ca_file: *path
create_database: true
max_sessions: 1000
log_level:
`), known)
	require.NoError(t, err)
	require.Equal(t, []settings.Entry{
		{Variable: "IM_ADDR", Value: ":8080", Line: 2},
		{Variable: "IM_JWT_ISSUER", Value: `https://one.example,a\,b`, Line: 4},
		{Variable: "IM_JWT_SECRET_FILE", Value: "/run/secrets/jwt", Line: 6},
		{Variable: "IM_JWKS_CA_FILE", Value: "/run/secrets/jwt", Line: 7},
		{Variable: "IM_CREATE_DATABASE", Value: "true", Line: 8},
		{Variable: "IM_MAX_SESSIONS", Value: "1000", Line: 9},
	}, entries)
	for _, nothing := range []string{"", "# nothing\n", "---\n"} {
		entries, err := settings.ReadFile(write(t, nothing), known)
		require.NoError(t, err)
		require.Empty(t, entries)
	}
}

// All problems of a file come at once, each with its line.
func TestFileProblems(t *testing.T) {
	t.Parallel()
	path := write(t, `addr: {host: a}
log_lvl: info
log-level: info
LOG_LEVEL: info
jwt_secret: x
jwt_secret_file: /y
jwt_issuer: [[a]]
? [a]
: b
`)
	_, err := settings.ReadFile(path, known)
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	require.Equal(t, []string{
		path + ":1: addr: the value must be one text or number, or a list of them",
		path + ":2: log_lvl: there is no such setting; the nearest is log_level",
		path + ":3: log-level: there is no such setting; the nearest is log_level",
		path + ":4: LOG_LEVEL: there is no such setting; the nearest is log_level",
		path + ":6: jwt_secret is set in line 5 already",
		path + ":7: jwt_issuer: the items of a list must be texts or numbers",
		path + ":8: a key must be the name of a setting",
	}, lines)
	for text, says := range map[string]string{
		"addr: a\naddr: b\n": ":2: addr is set in line 1 already",
		"addr: [a\nb: c":     "line 1",
		"- addr\n":           "line 1: the file must have lines",
		"addr: a\n---\n":     "one document",
	} {
		_, err := settings.ReadFile(write(t, text), known)
		require.ErrorContains(t, err, says)
	}
	_, err = settings.ReadFile(filepath.Join(t.TempDir(), "none"), known)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestRedact(t *testing.T) {
	t.Parallel()
	const r = settings.Redacted
	for value, want := range map[string]string{
		":8080":                              ":8080",
		"postgres://im@db/im?sslmode=verify": "postgres://im@db/im?sslmode=verify",
		"postgres://im:hush@db:5432/im?sslpassword=hush&sslkey=/a": "postgres://im:" + r + "@db:5432/im?sslpassword=" + r + "&sslkey=/a",
		"postgres://im:hu/s@h#@db/im":                              "postgres://im:" + r + "@db/im",
		"host=db user=im password='hu\\'sh' port=1":                "host=db user=im password=" + r + " port=1",
		"amqp://a:hush@one,two/v,amqp://a:hush@three":              "amqp://a:" + r + "@one,two/v,amqp://a:" + r + "@three",
		"amqp://a:hu,sh@one":                                       "amqp://a:" + r + "@one",
		"redis://:hush@h/0?sentinel_password=hush&master_name=m":   "redis://:" + r + "@h/0?sentinel_password=" + r + "&master_name=m",
		"https://keys.example/jwks?token=hush,https://b.example":   "https://keys.example/jwks?token=" + r + ",https://b.example",
		"amqps://h?keyfile=/k.pem":                                 "amqps://h?keyfile=/k.pem",
	} {
		require.Equal(t, want, settings.Redact(value))
	}
}

// What Redact takes out is known, in each form in which it may be elsewhere.
func TestPasswords(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]string{
		":8080":                                {},
		"postgres://im@db/im?sslkey=/a":        {},
		"natss://u:sec%2Cr3t,x@h1,h2/s?creds=": {"sec%2Cr3t,x", "sec,r3t,x", "sec%2Cr3t%2Cx"},
		"kafka://u:hush@h1,h2:1/t":             {"hush", "hush", "hush"},
		"amqp://a:one@x/v,amqp://a:two@y":      {"one", "one", "one", "two", "two", "two"},
		"amqp://a:h%zz@x":                      {"h%zz"},
		"host=db user=im password='hush' a=1":  {"hush"},
		"redis://h/0?sentinel_password=hush":   {"hush"},
	} {
		require.ElementsMatch(t, want, settings.Passwords(value), value)
	}
}
