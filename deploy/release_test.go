package deploy

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// TestReleaseFlags: what a tag releases is what scripts/build-release builds, with the same
// flags and for the same variables of package main.
func TestReleaseFlags(t *testing.T) {
	var config struct {
		Version int
		Builds  []struct {
			Main, Binary                      string
			Env, Goos, Goarch, Flags, Ldflags []string
		}
		SBOMs []struct {
			Artifacts, Cmd string
			Args           []string
		}
		Checksum struct{ Algorithm string }
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "../.goreleaser.yaml")), &config))
	require.Equal(t, 2, config.Version)
	require.Len(t, config.Builds, 1)
	build, script := config.Builds[0], read(t, "../scripts/build-release")
	require.Equal(t, "./cmd/im", build.Main)
	require.ElementsMatch(t, []string{"amd64", "arm64"}, build.Goarch)
	require.Contains(t, script, "\n"+strings.Join(build.Env, " ")+" exec go build "+strings.Join(build.Flags, " ")+" ")

	flags := firstMatch(t, script, `-ldflags "([^"]+)"`)
	for shell, template := range map[string]string{"${VERSION:-}": "{{ .Version }}", "${REVISION:-}": "{{ .FullCommit }}", "${DATE:-}": "{{ .CommitDate }}"} {
		require.Contains(t, flags, shell)
		flags = strings.ReplaceAll(flags, shell, template)
	}
	require.Equal(t, []string{flags}, build.Ldflags)
	for _, match := range regexp.MustCompile(`-X main\.(\w+)=`).FindAllStringSubmatch(flags, -1) {
		require.Regexp(t, `(?m)^(var )?(\w+, )*`+match[1]+`\b.* = ""`, read(t, "../cmd/im/version.go"), "the linker ignores a variable that does not exist")
	}
	require.Equal(t, "sha256", config.Checksum.Algorithm)
	require.Equal(t, "binary", config.SBOMs[0].Artifacts)
	require.Contains(t, config.SBOMs[0].Args, "$document")
}
