package app

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

const metricsPage = "../../docs/metrics.md"

// described is a metric of a registry.
type described struct {
	name, kind, help string
	labels           []string
}

var (
	describedAs = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "((?:[^"\\]|\\.)*)", unit: "[^"]*", constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}\}$`)
	constLabel  = regexp.MustCompile(`(\w+)=`)
	beginOfRows = "|---|---|---|---|\n"
)

// describe returns what was registered, by name.
func describe(t *testing.T, m *Metrics) map[string]*described {
	t.Helper()
	all := map[string]*described{}
	for _, c := range m.registered {
		descs := make(chan *prometheus.Desc, 1)
		c.Describe(descs)
		match := describedAs.FindStringSubmatch((<-descs).String())
		require.NotNil(t, match)
		d := all[match[1]]
		if d == nil {
			d = &described{name: match[1], kind: kindOf(t, c), help: strings.ReplaceAll(match[2], `\"`, `"`)}
			all[match[1]] = d
		}
		for _, label := range constLabel.FindAllStringSubmatch(match[3], -1) {
			d.labels = append(d.labels, label[1])
		}
		if match[4] != "" {
			d.labels = append(d.labels, strings.Split(match[4], ",")...)
		}
		slices.Sort(d.labels)
		d.labels = slices.Compact(d.labels)
	}
	return all
}

// kindOf returns the type of a metric.
func kindOf(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	switch c.(type) {
	case *prometheus.CounterVec:
		return "counter"
	case *prometheus.GaugeVec:
		return "gauge"
	case *prometheus.HistogramVec:
		return "histogram"
	}
	metrics := make(chan prometheus.Metric, 1)
	c.Collect(metrics)
	var out dto.Metric
	require.NoError(t, (<-metrics).Write(&out))
	switch {
	case out.Counter != nil:
		return "counter"
	case out.Histogram != nil:
		return "histogram"
	default:
		return "gauge"
	}
}

// TestMetricsPage: docs/metrics.md lists exactly the metrics of a node. With -update, the
// test writes its table.
func TestMetricsPage(t *testing.T) {
	n, err := New(t.Context(), testOptions(t))
	require.NoError(t, err)
	defer n.Close()
	all := describe(t, n.Metrics())
	var names []string
	for name, d := range all {
		names = append(names, name)
		require.Regexp(t, `^im_[a-z_]+$`, name)
		require.Equal(t, d.kind == "counter", strings.HasSuffix(name, "_total"), name)
		if d.kind == "histogram" {
			require.Regexp(t, `_(seconds|commands)$`, name)
		}
		for _, label := range d.labels {
			require.NotContains(t, []string{"user", "user_id", "conversation", "conversation_id", "device", "session"}, label, name)
		}
	}
	slices.Sort(names)
	var rows strings.Builder
	for _, name := range names {
		d := all[name]
		labels := "–"
		if len(d.labels) > 0 {
			labels = "`" + strings.Join(d.labels, "`, `") + "`"
		}
		_, _ = fmt.Fprintf(&rows, "| `%s` | %s | %s | %s |\n", d.name, d.kind, labels, d.help)
	}
	page, err := os.ReadFile(metricsPage)
	require.NoError(t, err)
	head, rest, found := strings.Cut(string(page), beginOfRows)
	require.True(t, found)
	_, tail, _ := strings.Cut(rest, "\n\n")
	want := head + beginOfRows + rows.String() + "\n" + tail
	if *update {
		require.NoError(t, os.WriteFile(metricsPage, []byte(want), 0o600))
		return
	}
	require.Equal(t, want, string(page), "run make generate")
}
