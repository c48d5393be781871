package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

const configurationPath = "../../docs/configuration.md"

const configurationHead = `# Configuration

` + "`make generate`" + ` writes this page from the settings of ` + "`im serve`" + `. Each setting is a flag, an environment variable and a key of the configuration
file: ` + "`--log-level`" + `, ` + "`IM_LOG_LEVEL`" + ` and ` + "`log_level`" + `. A flag takes precedence over the variable, and the variable over the file.

- **Configuration file.** ` + "`--config FILE`" + ` or ` + "`IM_CONFIG`" + ` names a file of YAML, with one line for each setting, such as ` + "`log_level: debug`" + `. A setting that takes a
  list may have a list of YAML. A key without a value counts as unset, and an unknown or repeated key is an error that names the line. ` + "`jwt_secret_file`" + ` names a file, as
  the variable ` + "`IM_JWT_SECRET_FILE`" + ` does. The file is read once, at the start.
- **Check.** ` + "`im config check`" + ` reports every wrong setting of a node at once, with its place, and exits with 0 or 2. ` + "`im config print`" + ` prints all values and where each
  comes from, without secrets. Flags of ` + "`im serve`" + ` may follow both.

- **Files.** ` + "`IM_X_FILE`" + ` names a file that holds the value of ` + "`IM_X`" + `, for every variable. Docker and Kubernetes provide secrets so. One newline at the end is dropped.
- **Empty.** An empty variable counts as unset.
- **Unknown.** ` + "`im serve`" + ` refuses a variable ` + "`IM_…`" + ` that it does not know, and names the nearest. Exempt are those that Kubernetes and Docker set for a
  service called ` + "`im`" + ` (` + "`IM_SERVICE_HOST`" + `, ` + "`IM_PORT_80_TCP`" + `), and ` + "`IM_TEST_…`" + `.
- **Values.** Durations have a unit, as in ` + "`1m30s`" + `. Lists are separated by commas. Sizes are in bytes.
- **Errors.** A wrong value ends the program with exit code 2 and a message that names the variable.
- **Passwords.** In a URL, escape characters such as ` + "`/ # ? % @`" + `, or leave the password out and set it apart: ` + "`IM_DATABASE_PASSWORD`" + `, ` + "`IM_REDIS_PASSWORD`" + `, ` + "`IM_AMQP_PASSWORD`" + `.
`

// groupsOf returns the flags of a command in groups, in the order of the help.
func groupsOf(t *testing.T, command string) (groups []string, flags map[string][]*kong.Flag) {
	t.Helper()
	parser, err := newParser(streams{os.Stdout, os.Stderr}, new(cli), variables())
	require.NoError(t, err)
	flags = map[string][]*kong.Flag{}
	for _, leaf := range parser.Model.Leaves(true) {
		if leaf.Name != command {
			continue
		}
		for _, of := range leaf.AllFlags(true) {
			for _, f := range of {
				if f.Name == "help" {
					continue
				}
				group := "Node"
				if f.Group != nil {
					group = f.Group.Title
				}
				if flags[group] == nil {
					groups = append(groups, group)
				}
				flags[group] = append(flags[group], f)
			}
		}
	}
	return groups, flags
}

// configurationPage returns the text of docs/configuration.md.
func configurationPage(t *testing.T) string {
	t.Helper()
	var page strings.Builder
	page.WriteString(configurationHead)
	groups, flags := groupsOf(t, "serve")
	for _, group := range groups {
		_, _ = fmt.Fprintf(&page, "\n## %s\n\n| variable | default | what |\n|---|---|---|\n", group)
		for _, f := range flags[group] {
			_, _ = fmt.Fprintf(&page, "| `%s` | %s | %s |\n", f.Envs[0], defaultOf(f), strings.ReplaceAll(f.Help, "|", `\|`))
		}
	}
	return page.String()
}

func defaultOf(f *kong.Flag) string {
	if f.Default == "" {
		return "–"
	}
	return "`" + f.Default + "`"
}

// TestConfigurationPage: docs/configuration.md has every setting of im serve.
func TestConfigurationPage(t *testing.T) {
	page := configurationPage(t)
	if *update {
		require.NoError(t, os.WriteFile(configurationPath, []byte(page), 0o644))
	}
	stored, err := os.ReadFile(configurationPath)
	require.NoError(t, err)
	require.True(t, page == string(stored), "docs/configuration.md is not current: run make generate")
}

// TestSecretsAreMarked: a setting that holds a secret is marked as one, so that it never
// gets a default, and so that what prints settings can leave it out.
func TestSecretsAreMarked(t *testing.T) {
	groups, flags := groupsOf(t, "serve")
	for _, group := range groups {
		for _, f := range flags[group] {
			named := strings.Contains(f.Name, "secret") || strings.Contains(f.Name, "password") || f.Name == "push-vapid-key"
			require.Equal(t, named, f.Tag.Has("secret"), f.Name)
			require.False(t, named && f.HasDefault, f.Name)
		}
	}
}
