package helmtest

import (
	"fmt"
	"io"
	"log"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// Helm logs what it finds wrong in values. The tests want the errors.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	m.Run()
}

// values are values of the chart, as in a values file.
type values map[string]any

// required are the least values that the chart accepts.
func required() values {
	return values{
		"database": values{"url": "postgres://im@postgres:5432/im", "passwordSecret": values{"name": "im-postgres"}},
		"redis":    values{"url": "redis://redis:6379/0"},
		"amqp":     values{"url": "amqp://im@rabbitmq:5672/", "passwordSecret": values{"name": "im-rabbitmq"}},
		"tokens":   values{"secret": values{"name": "im-tokens"}},
	}
}

// set returns a copy of v in which the value at a path, such as image.tag, is another one.
func (v values) set(path string, to any) values {
	changed := maps.Clone(v)
	if changed == nil {
		changed = values{}
	}
	name, rest, deeper := strings.Cut(path, ".")
	if deeper {
		inner, _ := changed[name].(values)
		to = inner.set(rest, to)
	}
	changed[name] = to
	return changed
}

// plain returns v with ordinary maps, which Helm needs.
func (v values) plain() map[string]any {
	data, err := yaml.Marshal(v)
	if err != nil {
		panic(err)
	}
	plain := map[string]any{}
	if err := yaml.Unmarshal(data, &plain); err != nil {
		panic(err)
	}
	return plain
}

func loadChart(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.Load("../im")
	require.NoError(t, err)
	return c
}

// render renders the chart as `helm template demo` does: it checks the values by the schema.
// It returns the files that are not empty, by name.
func render(c *chart.Chart, v values) (map[string]string, error) {
	given, err := chartutil.ToRenderValues(c, v.plain(), chartutil.ReleaseOptions{Name: "demo", Namespace: "chat", Revision: 1, IsInstall: true}, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, given)
	maps.DeleteFunc(files, func(_, text string) bool { return strings.TrimSpace(text) == "" })
	return files, err
}

// objects are the rendered objects, decoded strictly into the types of Kubernetes.
type objects struct {
	deployment  *apps.Deployment
	services    []*core.Service
	accounts    []*core.ServiceAccount
	budgets     []*policy.PodDisruptionBudget
	scalers     []*autoscaling.HorizontalPodAutoscaler
	ingresses   []*networking.Ingress
	policies    []*networking.NetworkPolicy
	jobs        []*batch.Job
	monitors    []*serviceMonitor
	labels      []map[string]string // of all objects
	environment map[string]core.EnvVar
}

// serviceMonitor is what the chart uses of the type of the Prometheus operator.
type serviceMonitor struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            struct {
		Selector  meta.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Path     string `json:"path"`
			Scheme   string `json:"scheme"`
			Interval string `json:"interval"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// decode decodes rendered files. It refuses unknown kinds, unknown fields, and names that
// occur twice.
func decode(t *testing.T, files map[string]string) (o objects) {
	t.Helper()
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(file, "NOTES.txt") {
			continue
		}
		for _, text := range strings.Split("\n"+files[file], "\n---\n") {
			if withoutComments(text) == "" {
				continue
			}
			object := o.add(t, text)
			require.NoError(t, yaml.UnmarshalStrict([]byte(text), object), "%s: %s", file, text)
			o.labels = append(o.labels, object.GetLabels())
			require.NotEmpty(t, object.GetName())
		}
	}
	o.environment = map[string]core.EnvVar{}
	if o.deployment != nil {
		for _, e := range o.container(t).Env {
			require.NotContains(t, o.environment, e.Name, "a variable occurs twice")
			o.environment[e.Name] = e
		}
	}
	return o
}

// add returns a new object of the kind that text names.
func (o *objects) add(t *testing.T, text string) meta.Object {
	t.Helper()
	var kind meta.TypeMeta
	require.NoError(t, yaml.Unmarshal([]byte(text), &kind))
	switch kind.APIVersion + "/" + kind.Kind {
	case "apps/v1/Deployment":
		require.Nil(t, o.deployment)
		o.deployment = &apps.Deployment{}
		return o.deployment
	case "v1/Service":
		return added(&o.services)
	case "v1/ServiceAccount":
		return added(&o.accounts)
	case "policy/v1/PodDisruptionBudget":
		return added(&o.budgets)
	case "autoscaling/v2/HorizontalPodAutoscaler":
		return added(&o.scalers)
	case "networking.k8s.io/v1/Ingress":
		return added(&o.ingresses)
	case "networking.k8s.io/v1/NetworkPolicy":
		return added(&o.policies)
	case "batch/v1/Job":
		return added(&o.jobs)
	case "monitoring.coreos.com/v1/ServiceMonitor":
		return added(&o.monitors)
	}
	require.Fail(t, "unknown kind", "%s/%s: %s", kind.APIVersion, kind.Kind, text)
	return nil
}

func added[T any](list *[]*T) *T {
	object := new(T)
	*list = append(*list, object)
	return object
}

func withoutComments(text string) string {
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return strings.HasPrefix(line, "#") })
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// container returns the only container of the Deployment.
func (o objects) container(t *testing.T) core.Container {
	t.Helper()
	require.NotNil(t, o.deployment)
	require.Len(t, o.deployment.Spec.Template.Spec.Containers, 1)
	return o.deployment.Spec.Template.Spec.Containers[0]
}

// mustRender renders and decodes.
func mustRender(t *testing.T, v values) objects {
	t.Helper()
	files, err := render(loadChart(t), v)
	require.NoError(t, err)
	return decode(t, files)
}

// leaves returns the paths of all values of a values file, but for those inside of empty
// and free-form maps and lists.
func leaves(prefix string, v map[string]any) (paths []string) {
	for name, value := range v {
		path := strings.TrimPrefix(fmt.Sprint(prefix, ".", name), ".")
		if inner, ok := value.(map[string]any); ok && len(inner) > 0 && path != "resources" {
			paths = append(paths, leaves(path, inner)...)
			continue
		}
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}
