package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/test/faultproxy"
	"im/tools/verify"
)

// runVerify runs im verify --json and returns its report and exit code.
func runVerify(t *testing.T, env []string, args ...string) (*verify.Report, int) {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"verify", "--json", "--users", "9", "--rate", "60", "--no-floods"}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	report := new(verify.Report)
	require.NoError(t, json.Unmarshal(out.Bytes(), report), "%s\n%s", out.Bytes(), log.Bytes())
	return report, cmd.ProcessState.ExitCode()
}

// TestVerify: im verify finds no breach on two nodes, even when one is paused and then
// drained. It finds the breach that a fault proxy causes.
func TestVerify(t *testing.T) {
	c := newCluster(t)
	one, two := c.node("one"), c.node("two")

	t.Run("two nodes", func(t *testing.T) {
		report, code := runVerify(t, c.env, "--url", one.URL, "--url", two.URL, "--duration", "8s", "--seed", "11")
		require.Zero(t, code, "%s", report.Text())
		require.True(t, report.OK())
		require.EqualValues(t, 11, report.Seed)
		require.Greater(t, report.Answered, int64(100))
		require.Greater(t, report.Checked, int64(500))
	})
	t.Run("a fault proxy", func(t *testing.T) {
		proxy := faultproxy.New(one.URL, faultproxy.Faults()["drops an event"]())
		defer proxy.Close()
		report, code := runVerify(t, c.env, "--url", proxy.URL, "--duration", "4s")
		require.Equal(t, 1, code)
		require.Positive(t, report.BreachCount)
		require.Equal(t, "I4", report.Breaches[0].Invariant)
		require.NotEmpty(t, report.Breaches[0].Client)
		require.NotZero(t, report.Breaches[0].Seq)
	})
	t.Run("a node is paused and then drained", func(t *testing.T) {
		injected := make(chan struct{})
		go func() {
			defer close(injected)
			time.Sleep(3 * time.Second)
			two.Signal(syscall.SIGSTOP)
			time.Sleep(6 * time.Second)
			two.Signal(syscall.SIGCONT)
			time.Sleep(3 * time.Second)
			two.Signal(syscall.SIGTERM)
		}()
		report, code := runVerify(t, c.env, "--url", one.URL, "--url", two.URL, "--duration", "16s", "--settle", "60s", "--complete-within", "20s")
		<-injected
		require.Zero(t, code, "%s", report.Text())
		require.Positive(t, report.Reconnects)
		require.NotEmpty(t, report.Faults)
	})
}
