package helmtest

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// everything is a release with all optional objects.
func everything() values {
	return required().merged(values{
		"ingress": values{"enabled": true, "host": "chat.example.com"}, "autoscaling": values{"enabled": true}, "migration": "job",
		"metrics":       values{"enabled": true, "serviceMonitor": values{"enabled": true}},
		"networkPolicy": values{"enabled": true, "metricsFrom": []values{{"namespaceSelector": values{}}}},
		"database":      values{"directURL": "postgres://direct/im", "connections": 20}, "redis": values{"passwordSecret": values{"name": "im-redis"}},
		"tokens": values{"jwksURLs": []string{"https://one.example.com", "https://two.example.com"}},
	})
}

func TestDefaultObjects(t *testing.T) {
	o := mustRender(t, required())
	require.Equal(t, []int{1, 1, 1, 0, 0, 0, 0, 0},
		[]int{len(o.services), len(o.accounts), len(o.budgets), len(o.scalers), len(o.ingresses), len(o.policies), len(o.jobs), len(o.monitors)})
	require.EqualValues(t, 3, *o.deployment.Spec.Replicas)
	rolling := o.deployment.Spec.Strategy.RollingUpdate
	require.Zero(t, rolling.MaxUnavailable.IntValue())
	pod := o.deployment.Spec.Template.Spec
	require.Len(t, pod.TopologySpreadConstraints, 2)
	require.Equal(t, "127.0.0.1:9180", o.environment["IM_ADMIN_ADDR"].Value, "it has no authentication: inside the pod only")
}

// A pod runs with the least rights: no root, no capability, nothing that it could write to,
// no token of the API.
func TestLeastRights(t *testing.T) {
	o := mustRender(t, everything())
	require.Len(t, o.jobs, 1)
	for _, pod := range []core.PodSpec{o.deployment.Spec.Template.Spec, o.jobs[0].Spec.Template.Spec} {
		require.True(t, *pod.SecurityContext.RunAsNonRoot)
		require.EqualValues(t, 10001, *pod.SecurityContext.RunAsUser)
		require.Equal(t, core.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
		require.False(t, *pod.AutomountServiceAccountToken)
		require.False(t, *pod.EnableServiceLinks)
		s := pod.Containers[0].SecurityContext
		require.True(t, *s.ReadOnlyRootFilesystem)
		require.False(t, *s.AllowPrivilegeEscalation)
		require.Equal(t, []core.Capability{"ALL"}, s.Capabilities.Drop)
	}
	chosen := mustRender(t, required().set("runAsUser", nil)).deployment.Spec.Template.Spec.SecurityContext
	require.Nil(t, chosen.RunAsUser)
	require.Nil(t, chosen.FSGroup)
}

// Secrets come from files of existing Secrets: none is in a variable or in the chart, and
// each file that a variable names is mounted.
func TestSecretsAreFiles(t *testing.T) {
	v := everything()
	for _, service := range []string{"database", "redis", "amqp"} {
		v = v.set(service+".url", "").set(service+".urlSecret.name", "urls").set(service+".urlSecret.key", service)
	}
	o := mustRender(t, v)
	env := func(c core.Container) (files []string) {
		for _, e := range c.Env {
			if path, ok := strings.CutPrefix(e.Value, "/etc/im/secrets/"); ok {
				require.Equal(t, path+"_FILE", e.Name)
				files = append(files, path)
			}
		}
		return files
	}
	mounted := func(pod core.PodSpec) (files []string) {
		require.Equal(t, "/etc/im/secrets", pod.Containers[0].VolumeMounts[0].MountPath)
		require.Equal(t, pod.Volumes[0].Name, pod.Containers[0].VolumeMounts[0].Name)
		require.EqualValues(t, 0o440, *pod.Volumes[0].Projected.DefaultMode)
		for _, source := range pod.Volumes[0].Projected.Sources {
			require.NotEmpty(t, source.Secret.Name)
			require.NotEmpty(t, source.Secret.Items[0].Key)
			files = append(files, source.Secret.Items[0].Path)
		}
		return files
	}
	node, job := o.deployment.Spec.Template.Spec, o.jobs[0].Spec.Template.Spec
	require.Equal(t, []string{
		"IM_DATABASE_URL", "IM_DATABASE_PASSWORD", "IM_REDIS_URL", "IM_REDIS_PASSWORD", "IM_AMQP_URL", "IM_AMQP_PASSWORD", "IM_JWT_SECRET",
	}, mounted(node))
	require.Equal(t, mounted(node), env(node.Containers[0]))
	require.Equal(t, []string{"IM_DATABASE_URL", "IM_DATABASE_PASSWORD"}, mounted(job), "a migration needs no other secret")
	require.Equal(t, mounted(job), env(job.Containers[0]))
}

// A node gets no more time to stop than its pod has: preStop takes a third of IM_DRAIN, and
// then SIGTERM has all of it.
func TestDrainFitsIntoTheGracePeriod(t *testing.T) {
	for _, seconds := range []int{1, 10, 30, 200} {
		o := mustRender(t, required().set("drainSeconds", seconds))
		drain, err := time.ParseDuration(o.environment["IM_DRAIN"].Value)
		require.NoError(t, err)
		require.EqualValues(t, seconds, drain.Seconds())
		grace := time.Duration(*o.deployment.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
		require.Greater(t, grace, drain+drain/3+5*time.Second)
		preStop := o.container(t).Lifecycle.PreStop.Exec.Command
		require.Equal(t, []string{"/im", "drain", "--wait", o.environment["IM_DRAIN"].Value}, preStop)
	}
}

// While a node migrates, which may take hours, /healthz answers: liveness must not ask more.
func TestProbes(t *testing.T) {
	c := mustRender(t, required()).container(t)
	require.Equal(t, "/healthz", c.StartupProbe.HTTPGet.Path)
	require.Equal(t, "/healthz", c.LivenessProbe.HTTPGet.Path)
	require.Equal(t, "/readyz", c.ReadinessProbe.HTTPGet.Path)
	for _, p := range []*core.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		require.Equal(t, "http", p.HTTPGet.Port.StrVal)
	}
	require.Less(t, c.ReadinessProbe.PeriodSeconds*c.ReadinessProbe.FailureThreshold, c.LivenessProbe.PeriodSeconds*c.LivenessProbe.FailureThreshold,
		"a node leaves the Service long before it is restarted")
}

// With a certificate, a node speaks TLS only: to probes and to Prometheus, too.
func TestTLS(t *testing.T) {
	for scheme, settings := range map[core.URIScheme]values{"HTTP": {}, "HTTPS": {"IM_TLS_CERT_FILE": "/etc/tls/tls.crt", "IM_TLS_KEY_FILE": "/etc/tls/tls.key"}} {
		o := mustRender(t, everything().set("settings", settings))
		c := o.container(t)
		for _, p := range []*core.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
			require.Equal(t, scheme, p.HTTPGet.Scheme)
		}
		require.Equal(t, strings.ToLower(string(scheme)), o.monitors[0].Spec.Endpoints[0].Scheme)
	}
}

func TestMigration(t *testing.T) {
	for who, expected := range map[string]string{"node": "auto", "job": "off", "off": "off"} {
		o := mustRender(t, required().set("migration", who))
		require.Equal(t, expected, o.environment["IM_MIGRATE"].Value)
		require.Equal(t, who == "job", len(o.jobs) == 1, who)
	}
	job := mustRender(t, everything()).jobs[0]
	require.Equal(t, "pre-install,pre-upgrade", job.Annotations["helm.sh/hook"])
	require.Equal(t, []string{"migrate", "up"}, job.Spec.Template.Spec.Containers[0].Args)
	require.Empty(t, job.Spec.Template.Spec.ServiceAccountName, "that of the chart does not exist before the installation")
}

// Nodes come fast and go slowly, because each one that goes makes its clients reconnect.
func TestAutoscaling(t *testing.T) {
	o := mustRender(t, everything())
	require.Nil(t, o.deployment.Spec.Replicas, "an upgrade must not undo the autoscaler")
	s := o.scalers[0].Spec
	require.Equal(t, o.deployment.Name, s.ScaleTargetRef.Name)
	require.Equal(t, "im_sessions", s.Metrics[0].Pods.Metric.Name)
	require.Equal(t, "10k", s.Metrics[0].Pods.Target.AverageValue.String())
	require.Zero(t, *s.Behavior.ScaleUp.StabilizationWindowSeconds)
	require.GreaterOrEqual(t, *s.Behavior.ScaleDown.StabilizationWindowSeconds, int32(900))
	down := s.Behavior.ScaleDown.Policies
	require.Len(t, down, 1)
	require.EqualValues(t, 1, down[0].Value)
	require.GreaterOrEqual(t, down[0].PeriodSeconds, int32(300))
}

// Every selector finds the pods of the nodes, not those of the migration, and every port
// that is named exists.
func TestSelectorsAndPorts(t *testing.T) {
	o := mustRender(t, everything().set("podLabels", values{"team": "chat"}))
	node, job := labels.Set(o.deployment.Spec.Template.Labels), labels.Set(o.jobs[0].Spec.Template.Labels)
	selectors := []*meta.LabelSelector{o.deployment.Spec.Selector, o.budgets[0].Spec.Selector, &o.policies[0].Spec.PodSelector}
	for _, spread := range o.deployment.Spec.Template.Spec.TopologySpreadConstraints {
		selectors = append(selectors, spread.LabelSelector)
	}
	ports := map[string]int32{}
	for _, p := range o.container(t).Ports {
		ports[p.Name] = p.ContainerPort
	}
	require.Equal(t, map[string]int32{"http": 8080, "admin": 9180}, ports)
	for _, s := range o.services {
		selectors = append(selectors, &meta.LabelSelector{MatchLabels: s.Spec.Selector})
		for _, p := range s.Spec.Ports {
			require.Contains(t, ports, p.TargetPort.StrVal)
		}
	}
	for _, s := range selectors {
		selector, err := meta.LabelSelectorAsSelector(s)
		require.NoError(t, err)
		require.True(t, selector.Matches(node), "%s", selector)
		require.False(t, selector.Matches(job), "%s", selector)
	}
	backend := o.ingresses[0].Spec.Rules[0].HTTP.Paths[0].Backend.Service
	require.Equal(t, o.services[0].Name, backend.Name)
	require.Equal(t, o.services[0].Spec.Ports[0].Name, backend.Port.Name)
	monitored, err := meta.LabelSelectorAsSelector(&o.monitors[0].Spec.Selector)
	require.NoError(t, err)
	require.True(t, monitored.Matches(labels.Set(o.services[1].Labels)))
	require.False(t, monitored.Matches(labels.Set(o.services[0].Labels)), "each node is scraped once")
	require.Equal(t, o.services[1].Spec.Ports[0].Name, o.monitors[0].Spec.Endpoints[0].Port)
	require.Equal(t, ":9180", o.environment["IM_ADMIN_ADDR"].Value)
}

// A node refuses to start with a variable that it does not know. Each variable of the
// chart is a setting.
func TestSettingsExist(t *testing.T) {
	text, err := os.ReadFile("../../../docs/configuration.md")
	require.NoError(t, err)
	known := map[string]bool{}
	for _, match := range regexp.MustCompile("(?m)^\\| `(IM_[A-Z0-9_]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		known[match[1]] = true
	}
	env := mustRender(t, everything()).environment
	require.Greater(t, len(env), 12)
	for name := range env {
		require.True(t, known[strings.TrimSuffix(name, "_FILE")], name)
	}
	// The schema lists what the chart sets itself, so that settings cannot set it again.
	for _, name := range slices.Sorted(maps.Keys(env)) {
		_, err := render(loadChart(t), required().set("settings", values{name: "x"}))
		require.Error(t, err, name)
	}
	require.Equal(t, "12.5", mustRender(t, required().set("settings", values{"IM_RATE_USER_SENDS": 12.5})).environment["IM_RATE_USER_SENDS"].Value)
	require.Equal(t, "1000000", mustRender(t, required().set("settings", values{"IM_MAX_SESSIONS": 1000000})).environment["IM_MAX_SESSIONS"].Value)
}

// All objects carry the same labels, and names stay short enough for the suffixes.
func TestNamesAndLabels(t *testing.T) {
	o := mustRender(t, everything().set("fullnameOverride", strings.Repeat("a", 52)))
	for _, l := range o.labels {
		require.Equal(t, "demo", l["app.kubernetes.io/instance"])
		require.Equal(t, "0.1.0", l["app.kubernetes.io/version"])
	}
	require.LessOrEqual(t, len(o.jobs[0].Name), 63)
	require.LessOrEqual(t, len(o.services[1].Name), 63)
}
