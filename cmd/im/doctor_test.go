package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"im/test/pgtest"
	"im/tools/doctor"
)

// TestDoctor: im doctor examines a node that runs, a WebSocket to it included, and its exit
// code is the worst finding.
func TestDoctor(t *testing.T) {
	t.Parallel()
	env := append(services(pgtest.New(t)), "IM_PREFIX=doctor-command")
	_, addr := startNode(t, env...)
	run := func(want int, args ...string) *program {
		t.Helper()
		p := startPlain(t, append(env[:len(env):len(env)], "IM_START_TIMEOUT=60s"), append([]string{"doctor"}, args...)...)
		require.Equal(t, want, p.wait(), "%s\n%s", p.out, p.err)
		return p
	}
	heartbeats := "--heartbeats=2" // 50 s
	if testing.Short() {
		heartbeats = "--heartbeats=0"
	}
	p := run(exitWarnings, "--json", "--url=http://"+addr, heartbeats) // there is no standby
	var report doctor.Report
	require.NoError(t, json.Unmarshal([]byte(p.out.String()), &report))
	statuses := map[string]doctor.Status{}
	for _, f := range report.Findings {
		statuses[f.Area+" "+f.Check] = f.Status
	}
	for _, check := range []string{"edge WebSocket", "edge public address", "redis nodes", "rabbitmq queues of nodes", "postgresql rights", "settings valid"} {
		require.Equal(t, doctor.OK, statuses[check], "%s: %s", check, p.out)
	}
	p = run(exitFailures, "--url=http://"+addr, "--nodes=100000", "--heartbeats=0")
	require.Contains(t, p.out.String(), "FAIL  postgresql, connections")
	require.Contains(t, p.out.String(), "do:  raise max_connections")
	require.NotContains(t, p.out.String(), testSecret)
	run(2, "--heartbeats=-1")
}
