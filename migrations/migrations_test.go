package migrations_test

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"im/migrations"
)

var (
	comments     = regexp.MustCompile(`(?m)^\s*-- .*$`)
	loose        = regexp.MustCompile(`(?m)^---- tern: disable-tx ----$`)
	index        = regexp.MustCompile(`(?i)CREATE\s+(?:UNIQUE\s+)?INDEX\s+(CONCURRENTLY\s+)?(IF\s+NOT\s+EXISTS\s+)?\w+\s+ON\s+(\w+)`)
	dropIndex    = regexp.MustCompile(`(?i)DROP\s+INDEX\s+(CONCURRENTLY\s+)?(IF\s+EXISTS\s+)?`)
	concurrently = regexp.MustCompile(`(?i)\bCONCURRENTLY\b`)
)

// problems returns what is wrong with a migration that runs beside nodes: it would block
// their writes for long, or could not be repeated after it was interrupted.
func problems(text string) (found []string) {
	for half := range strings.SplitSeq(text, "---- create above / drop below ----") {
		half = comments.ReplaceAllString(half, "")
		if !loose.MatchString(half) {
			if concurrently.MatchString(half) {
				found = append(found, "CONCURRENTLY needs ---- tern: disable-tx ----")
				continue
			}
			for _, match := range index.FindAllStringSubmatch(half, -1) {
				if !regexp.MustCompile(`(?i)CREATE\s+TABLE\s+` + match[3] + `\b`).MatchString(half) {
					found = append(found, "an index on the existing table "+match[3]+" needs CONCURRENTLY")
				}
			}
			continue
		}
		for _, match := range append(index.FindAllStringSubmatch(half, -1), dropIndex.FindAllStringSubmatch(half, -1)...) {
			if match[1] == "" || match[2] == "" {
				found = append(found, "not CONCURRENTLY IF [NOT] EXISTS: "+match[0])
			}
		}
		for statement := range strings.SplitSeq(loose.ReplaceAllString(half, ""), ";\n") {
			if strings.TrimSpace(statement) == "" || concurrently.MatchString(statement) {
				continue
			}
			if !regexp.MustCompile(`(?i)^\s*SET\s+lock_timeout\b`).MatchString(statement) && !strings.Contains(half, "SET lock_timeout") {
				found = append(found, "SET lock_timeout comes before what is not CONCURRENTLY: "+strings.TrimSpace(statement))
			}
		}
	}
	return found
}

func TestMigrationsRunBesideNodes(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(migrations.Files, "*.sql")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		text, err := fs.ReadFile(migrations.Files, name)
		require.NoError(t, err)
		require.Empty(t, problems(string(text)), name)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	const mark, down = "---- tern: disable-tx ----\n", "\n---- create above / drop below ----\n"
	files := fstest.MapFS{
		"good: a new table":         {Data: []byte("CREATE TABLE t (a int);\nCREATE INDEX t_a ON t (a);\n")},
		"good: concurrently":        {Data: []byte(mark + "CREATE INDEX CONCURRENTLY IF NOT EXISTS t_a ON t (a);\n" + down + mark + "DROP INDEX CONCURRENTLY IF EXISTS t_a;\n")},
		"good: rows in batches":     {Data: []byte(mark + "SET lock_timeout = '2s';\nDO $$ BEGIN COMMIT; END $$;\n")},
		"bad: an existing table":    {Data: []byte("CREATE UNIQUE INDEX t_a ON t (a);\n")},
		"bad: in a transaction":     {Data: []byte("CREATE INDEX CONCURRENTLY IF NOT EXISTS t_a ON t (a);\n")},
		"bad: cannot be repeated":   {Data: []byte(mark + "CREATE INDEX CONCURRENTLY t_a ON t (a);\n")},
		"bad: blocks":               {Data: []byte(mark + "CREATE INDEX IF NOT EXISTS t_a ON t (a);\n")},
		"bad: drops in the way":     {Data: []byte("CREATE TABLE u ();\n" + down + mark + "DROP INDEX t_a;\n")},
		"bad: waits without bounds": {Data: []byte(mark + "ALTER TABLE t ADD COLUMN b int;\n")},
	}
	for name, file := range files {
		require.Equal(t, strings.HasPrefix(name, "good"), len(problems(string(file.Data))) == 0, "%s: %v", name, problems(string(file.Data)))
	}
}
