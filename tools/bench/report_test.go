package bench

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMedians(t *testing.T) {
	t.Parallel()
	run := func(a, b float64) []Metric { return []Metric{{"a", "ms", a}, {"b", "s", b}} }
	require.Equal(t, run(2, 20), medians([][]Metric{run(3, 10), run(1, 20), run(2, 30)}))
	require.Equal(t, run(2, 20), medians([][]Metric{run(1, 10), run(3, 30)}))
	require.Empty(t, medians(nil))
}

func TestPercentiles(t *testing.T) {
	t.Parallel()
	l := newLatency()
	require.Empty(t, l.percentiles("x", 50))
	for i := range 100 {
		l.add(i, int64(time.Duration(i+1)*time.Millisecond))
	}
	for _, m := range l.percentiles("x", 50, 99, 100) {
		want := map[string]float64{"x_p50": 50, "x_p99": 99, "x_max": 100}[m.Name]
		require.InEpsilon(t, want, m.Value, 0.01, m.Name)
		require.Equal(t, "ms", m.Unit)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	report := Report{Results: []Result{
		{Workload: "limit", Case: "1 in flight", Median: []Metric{{limitMetric, "msg/s", 500}}},
		{Workload: "limit", Case: "64 in flight", Median: []Metric{{limitMetric, "msg/s", 1000}}},
		{Workload: "cross", Case: "one node", Median: []Metric{{"acked", "msg/s", 800}}, appends: "acked"},
		{Workload: "cross", Case: "across two nodes", Median: []Metric{{"acked", "msg/s", 400}}, appends: "acked"},
	}}
	compare(&report.Results[3], report.Results[2], []string{"acked", "not measured"})
	shareOfLimit(report.Results)
	require.Zero(t, report.Results[0].OfLimit)
	require.InDelta(t, 0.8, report.Results[2].OfLimit, 1e-9)
	require.InDelta(t, 0.4, report.Results[3].OfLimit, 1e-9)
	ratio, ok := find(report.Results[3].Median, "acked_ratio")
	require.True(t, ok)
	require.InDelta(t, 0.5, ratio, 1e-9)

	var table bytes.Buffer
	require.NoError(t, report.Write(&table))
	for _, want := range []string{"across two nodes", "msg/s", "acked_ratio", "0.50", "of_limit", "40", "1000"} {
		require.Contains(t, table.String(), want)
	}
	text, err := json.Marshal(report)
	require.NoError(t, err)
	require.Contains(t, string(text), `"of_limit":0.4`)
}

func TestChoose(t *testing.T) {
	t.Parallel()
	names := func(workloads []workload) (names []string) {
		for _, w := range workloads {
			names = append(names, w.name)
		}
		return names
	}
	chosen, err := choose([]string{"direct", "limit"})
	require.NoError(t, err)
	require.Equal(t, []string{"limit", "direct"}, names(chosen), "the limit comes first")
	chosen, err = choose(nil)
	require.NoError(t, err)
	require.NotContains(t, names(chosen), "depth")
	require.Contains(t, names(chosen), "idle")
	_, err = choose([]string{"nothing"})
	require.ErrorContains(t, err, "nothing")
}

// TestCPU: the CPU time of a process includes that of its ended children.
func TestCPU(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("there is no /proc")
	}
	before, ok := readStat(os.Getpid())
	require.True(t, ok)
	require.Positive(t, resident([]int{os.Getpid()}))
	require.NoError(t, exec.Command("sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done").Run())
	after, ok := readStat(os.Getpid())
	require.True(t, ok)
	require.Greater(t, after.children, before.children)
	_, ok = readStat(1 << 30)
	require.False(t, ok)

	u := usage{partServer: 3 * time.Second, partLoad: time.Second}
	metrics := u.per(usage{partServer: time.Second}, 1_000_000, "msg")
	require.Equal(t, []Metric{{"server_cpu", "µs/msg", 2}, {"load_cpu", "µs/msg", 1}}, metrics)
	require.Empty(t, u.per(usage{}, 0, "msg"), "nothing to divide by")
	require.False(t, strings.Contains(nameOf(os.Getpid()), "\n"))
}
