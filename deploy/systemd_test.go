package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// worstExposure is the highest result of `systemd-analyze security` (0 to 10, lower is
// better) that the unit may have. Most of what is left is that it needs the network.
const worstExposure = "1.3"

// TestSystemdUnit checks the unit as systemd does: it knows every line, and rates what the
// service may do.
func TestSystemdUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed (package systemd); make test-deploy installs it")
	}
	text := read(t, "systemd/im.service")
	program, err := os.Executable() // one that exists
	require.NoError(t, err)
	unit := filepath.Join(t.TempDir(), "im.service")
	text = strings.ReplaceAll(text, "ExecStart=/usr/local/bin/im", "ExecStart="+program)
	require.NoError(t, os.WriteFile(unit, []byte(text), 0o600))
	output, err := exec.Command("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit).CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.NotContains(t, string(output), "im.service", "it warns of a line")
	threshold := strings.ReplaceAll(worstExposure, ".", "") // in tenths
	output, err = exec.Command("systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold="+threshold, unit).CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Contains(t, string(output), "exposure level")
}

// TestSystemdSettings: the unit names settings that exist, gives the node the time that it
// needs to stop, and has each secret that it names.
func TestSystemdSettings(t *testing.T) {
	unit, configuration := read(t, "systemd/im.service"), read(t, "../docs/configuration.md")
	for _, match := range regexp.MustCompile(`(?m)^(?:Environment=)?(IM_[A-Z_]+?)(_FILE)?=(.*)$`).FindAllStringSubmatch(unit+read(t, "systemd/im.env"), -1) {
		require.Contains(t, configuration, "| `"+match[1]+"` |")
		if credential, ok := strings.CutPrefix(match[3], "%d/"); ok {
			require.Contains(t, unit, "\nLoadCredential="+credential+":/etc/im/secrets/"+credential+"\n")
		}
	}
	drain, err := time.ParseDuration(firstMatch(t, unit, `(?m)^Environment=IM_DRAIN=(\w+)$`))
	require.NoError(t, err)
	stop, err := time.ParseDuration(firstMatch(t, unit, `(?m)^TimeoutStopSec=(\d+)$`) + "s")
	require.NoError(t, err)
	require.Greater(t, stop, drain)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// firstMatch returns the first group of the first match.
func firstMatch(t *testing.T, text, pattern string) string {
	t.Helper()
	match := regexp.MustCompile(pattern).FindStringSubmatch(text)
	require.NotNil(t, match, pattern)
	return match[1]
}
