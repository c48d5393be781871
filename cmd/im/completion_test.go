package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/store/postgres"
)

// TestCompletion lets bash complete command lines with the script.
func TestCompletion(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	require.NoError(t, err)
	dir := t.TempDir()
	program, err := plainProgram()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(program, filepath.Join(dir, "im")))
	for line, want := range map[string]string{
		"im serv":                    "serve",
		"im migrate ":                "down status up",
		"im serve --log-l":           "--log-level",
		"im serve --log-level ":      "debug error info warn",
		"im serve --log-level = w":   "warn",
		"im serve --log-level =":     "debug error info warn",
		"im serve --addr :1 --drain": "--drain",
		"im serve --addr serve":      "",
		"im --conf":                  "--config",
		"im completion ":             "bash fish zsh",
		"im config print --js":       "--json",
		"im nothing":                 "",
	} {
		words := strings.Fields(line)
		if strings.HasSuffix(line, " ") {
			words = append(words, "")
		}
		script := `source <(im completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); complete -p im >/dev/null && _im; echo "${COMPREPLY[*]}"`
		cmd := exec.Command(bash, append([]string{"--norc", "-c", script, "bash"}, words...)...)
		cmd.Env = []string{asProgram + "=1", "PATH=" + dir + ":" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Equal(t, want, strings.TrimSpace(string(out)), line)
	}
	for _, shell := range []string{"zsh", "fish"} {
		p := startPlain(t, nil, "completion", shell)
		require.Equal(t, 0, p.wait(), p.err)
		require.Contains(t, p.out.String(), "completion words --")
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	schema, err := postgres.LatestSchema(t.Context())
	require.NoError(t, err)
	p := startPlain(t, nil, "version", "--json")
	require.Equal(t, 0, p.wait(), p.err)
	var info versionInfo
	require.NoError(t, json.Unmarshal([]byte(p.out.String()), &info))
	require.Equal(t, schema, info.Schema)
	require.NotEmpty(t, info.Version)
	require.True(t, strings.HasPrefix(info.Go, "go1."))
	p = startPlain(t, nil, "version")
	require.Equal(t, 0, p.wait(), p.err)
	require.Contains(t, p.out.String(), "im "+info.Version)
}
