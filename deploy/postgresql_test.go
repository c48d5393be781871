package deploy

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/test/pgtest"
)

var setting = regexp.MustCompile(`^([a-z_]+) = ('[^']*'|[0-9.]+(?:kB|MB|GB|ms|s|min)?|on|off)(?: +#.*)?$`)

// TestPostgresSettings: PostgreSQL knows each setting, its value has the right type, and
// none of the settings puts committed data at risk.
func TestPostgresSettings(t *testing.T) {
	text, err := os.ReadFile("postgresql.conf")
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), pgtest.NewEmpty(t))
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	set := map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := setting.FindStringSubmatch(line)
		require.NotNil(t, parts, line)
		name, value := parts[1], parts[2]
		require.NotContains(t, set, name)
		set[name] = value
		var kind string
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT vartype FROM pg_settings WHERE name = $1`, name).Scan(&kind), name)
		switch kind {
		case "bool":
			require.Contains(t, []string{"on", "off"}, value, name)
		case "integer", "real":
			require.Regexp(t, `^[0-9]`, value, name)
		}
	}
	require.NotEmpty(t, set)
	for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "wal_level"} {
		require.NotContains(t, set, name)
	}
}
