package deploy

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// metric is a row of docs/metrics.md, which a test of internal/app compares with the
// registry of a node.
type metric struct {
	kind   string
	labels []string
}

// fromOthers are the metrics in queries that the page does not list: those of Prometheus
// itself, of the process and of the Go runtime.
var fromOthers = map[string]metric{
	"up": {kind: "gauge"}, "process_cpu_seconds_total": {kind: "counter"},
	"process_resident_memory_bytes": {kind: "gauge"}, "go_goroutines": {kind: "gauge"},
}

// documented reads the metrics of docs/metrics.md, by name.
func documented(t *testing.T) map[string]metric {
	t.Helper()
	page, err := os.ReadFile("../docs/metrics.md")
	require.NoError(t, err)
	all := map[string]metric{}
	for name, m := range fromOthers {
		all[name] = m
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `(im_\\w+)` \\| (\\w+) \\| (.*?) \\|").FindAllStringSubmatch(string(page), -1) {
		m := metric{kind: row[2]}
		for _, label := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(row[3], -1) {
			m.labels = append(m.labels, label[1])
		}
		all[row[1]] = m
	}
	require.Greater(t, len(all), 40)
	return all
}

// rule is an alert of alerts.yml.
type rule struct {
	Alert       string
	Expr        string
	Labels      map[string]string
	Annotations map[string]string
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	text, err := os.ReadFile("prometheus/alerts.yml")
	require.NoError(t, err)
	var file struct{ Groups []struct{ Rules []rule } }
	require.NoError(t, yaml.Unmarshal(text, &file))
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	require.Greater(t, len(all), 10)
	return all
}

// queries returns the queries of the dashboard, by the titles of their panels.
func queries(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("grafana/dashboards/im.json")
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	all := map[string][]string{}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			all[p.Title] = append(all[p.Title], target.Expr)
		}
	}
	require.Greater(t, len(all), 20)
	return all
}

var (
	selector = regexp.MustCompile(`\b((?:im|process|go)_\w+|up)\b(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)`)
	grouping = regexp.MustCompile(`\b(?:by|on)\s*\(([^)]*)\)`)
)

// requireKnown requires that the metrics of a query exist, with the labels that the query
// names.
func requireKnown(t *testing.T, where, query string) {
	t.Helper()
	all := documented(t)
	labels := map[string]bool{"instance": true, "job": true}
	var found int
	for _, match := range selector.FindAllStringSubmatch(query, -1) {
		name, kind := match[1], "histogram"
		base := name
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if cut, ok := strings.CutSuffix(name, suffix); ok && all[cut].kind == "histogram" {
				base = cut
			}
		}
		m, known := all[base]
		require.True(t, known, "%s: %s is not in docs/metrics.md", where, name)
		if base == name {
			require.NotEqual(t, kind, m.kind, "%s: %s is a histogram", where, name)
		}
		own := append([]string{"instance", "job"}, m.labels...)
		if m.kind == "histogram" {
			own = append(own, "le")
		}
		for _, l := range own {
			labels[l] = true
		}
		for _, used := range matcher.FindAllStringSubmatch(match[2], -1) {
			require.Contains(t, own, used[1], "%s: %s has no label %s", where, name, used[1])
		}
		if strings.Contains(query, "rate("+name) || strings.Contains(query, "increase("+name) {
			require.NotEqual(t, "gauge", m.kind, "%s: %s is a gauge", where, name)
		}
		found++
	}
	require.Positive(t, found, "%s: %s", where, query)
	for _, group := range grouping.FindAllStringSubmatch(query, -1) {
		for _, label := range strings.Split(group[1], ",") {
			require.True(t, labels[strings.TrimSpace(label)], "%s groups by %s, which no metric of it has", where, label)
		}
	}
}

// TestQueriesNameExistingMetrics: alerts and dashboard use metrics and labels that a node
// has.
func TestQueriesNameExistingMetrics(t *testing.T) {
	t.Parallel()
	for _, r := range rules(t) {
		requireKnown(t, "alert "+r.Alert, r.Expr)
	}
	for title, list := range queries(t) {
		for _, query := range list {
			requireKnown(t, "panel "+title, query)
		}
	}
}

// TestDashboardShowsEveryMetric: what a node counts can be seen.
func TestDashboardShowsEveryMetric(t *testing.T) {
	t.Parallel()
	var shown strings.Builder
	for _, list := range queries(t) {
		shown.WriteString(strings.Join(list, "\n") + "\n")
	}
	for name := range documented(t) {
		if fromOthers[name].kind != "" {
			continue
		}
		hidden := map[string]bool{ // beside these
			"im_append_queue_bytes": true, "im_database_pool_acquires_total": true, "im_socket_writes_total": true,
			"im_sockets": true, "im_joins": true, "im_registry_removals": true,
		}
		require.Equal(t, !hidden[name], regexp.MustCompile(name+`\b|`+name+`_(bucket|count|sum)\b`).MatchString(shown.String()), name)
	}
}

// TestPanelsOfTheDashboard: no panel has the id of another one, or lies over it.
func TestPanelsOfTheDashboard(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("grafana/dashboards/im.json")
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
		}
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	ids, taken := map[int]string{}, map[[2]int]string{}
	for _, p := range dashboard.Panels {
		require.Empty(t, ids[p.ID], "%s has the id of it", p.Title)
		ids[p.ID] = p.Title
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				require.Empty(t, taken[[2]int{x, y}], "%s lies over it", p.Title)
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

// TestAlertsHaveRunbooks: each alert links to its section, which says what to see, check,
// do and verify.
func TestAlertsHaveRunbooks(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/runbook.md")
	require.NoError(t, err)
	sections := map[string]string{}
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		sections[name] = body
	}
	all := rules(t)
	require.Len(t, sections, len(all), "a section for each alert")
	for _, r := range all {
		require.Equal(t, "docs/runbook.md#"+strings.ToLower(r.Alert), r.Annotations["runbook_url"])
		require.NotEmpty(t, r.Annotations["summary"], r.Alert)
		require.Contains(t, []string{"info", "warning", "critical"}, r.Labels["severity"], r.Alert)
		for _, part := range []string{"**See:**", "**Check:**", "**Do:**", "**Verify:**"} {
			require.Contains(t, sections[r.Alert], part, r.Alert)
		}
	}
}

// TestAlerts lets promtool check the rules and the configuration, and run the unit tests
// of the rules. Each alert must have two: one in which it fires and one in which it does
// not.
func TestAlerts(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed: run scripts/with-programs promtool -- go test ./deploy")
	}
	for _, args := range [][]string{
		{"check", "rules", "alerts.yml"}, {"check", "config", "prometheus.yml"}, {"test", "rules", "alerts_test.yml"},
	} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = "prometheus"
		output, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", output)
	}
	text, err := os.ReadFile("prometheus/alerts_test.yml")
	require.NoError(t, err)
	for _, r := range rules(t) {
		require.Equal(t, 2, strings.Count(string(text), "alertname: "+r.Alert+"\n"), r.Alert)
	}
}

// TestMonitoring checks the profile of docker-compose.yml: Prometheus scrapes all nodes,
// and only this machine reaches the dashboard.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	project, err := load(t, "../docker-compose.yml").WithProfiles([]string{"monitoring"})
	require.NoError(t, err)
	require.Contains(t, project.ServiceNames(), "prometheus")
	require.Contains(t, project.ServiceNames(), "grafana")
	for _, name := range []string{"prometheus", "grafana"} {
		s := project.Services[name]
		require.NotNil(t, s.HealthCheck, name)
		require.Regexp(t, `:v?\d+\.\d+\.\d+$`, s.Image)
		for _, volume := range s.Volumes {
			if volume.Type == "bind" {
				require.DirExists(t, volume.Source)
				require.True(t, volume.ReadOnly)
			}
		}
		for _, port := range s.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, name)
		}
	}
	config, err := os.ReadFile("prometheus/prometheus.yml")
	require.NoError(t, err)
	for _, node := range []string{"node1", "node2", "node3"} {
		require.Contains(t, string(config), node+*project.Services[node].Environment["IM_ADMIN_ADDR"])
		require.Empty(t, project.Services[node].Ports, "the admin address is not published")
	}
}
