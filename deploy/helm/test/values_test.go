package helmtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// change is another value of a path, and the values without which it has no effect.
type change struct {
	to   any
	with values
}

// changes has another value for each value of the chart.
func changes() map[string]change {
	on := func(what string) values { return values{}.set(what+".enabled", true) }
	ingress := on("ingress").set("ingress.host", "chat.example.com")
	monitored := on("metrics").set("metrics.serviceMonitor.enabled", true)
	urlSecret := func(service string) values {
		return values{}.set(service+".url", "").set(service+".urlSecret.name", "a")
	}
	return map[string]change{
		"nameOverride": {to: "other"}, "fullnameOverride": {to: "other"}, "replicas": {to: 5},
		"image.repository": {to: "example.com/im"}, "image.tag": {to: "9.9.9"}, "image.digest": {to: "sha256:" + strings.Repeat("a", 64)},
		"image.pullPolicy": {to: "Always"}, "image.pullSecrets": {to: []values{{"name": "registry"}}},

		"database.url": {to: "postgres://other/im"}, "database.urlSecret.name": {to: "b", with: urlSecret("database")},
		"database.urlSecret.key": {to: "dsn", with: urlSecret("database")}, "database.passwordSecret.name": {to: "a"}, "database.passwordSecret.key": {to: "k"},
		"database.directURL": {to: "postgres://direct/im"}, "database.connections": {to: 20},
		"redis.url": {to: "rediss://other:6379"}, "redis.urlSecret.name": {to: "b", with: urlSecret("redis")},
		"redis.urlSecret.key": {to: "dsn", with: urlSecret("redis")}, "redis.passwordSecret.name": {to: "a"},
		"redis.passwordSecret.key": {to: "k", with: values{}.set("redis.passwordSecret.name", "a")},
		"amqp.url":                 {to: "amqps://other/"}, "amqp.urlSecret.name": {to: "b", with: urlSecret("amqp")},
		"amqp.urlSecret.key": {to: "dsn", with: urlSecret("amqp")}, "amqp.passwordSecret.name": {to: "a"}, "amqp.passwordSecret.key": {to: "k"},
		"tokens.secret.name": {to: "a"}, "tokens.secret.key": {to: "k"}, "tokens.jwksURLs": {to: []string{"https://id.example.com/jwks.json"}},

		"settings": {to: values{"IM_PUBLIC_URL": "https://chat.example.com"}}, "migration": {to: "job"}, "drainSeconds": {to: 60},
		"resources": {to: values{"limits": values{"memory": "2Gi"}}}, "runAsUser": {to: 12345},
		"probes.startup.periodSeconds": {to: 7}, "probes.startup.timeoutSeconds": {to: 7}, "probes.startup.failureThreshold": {to: 7},
		"probes.liveness.periodSeconds": {to: 7}, "probes.liveness.timeoutSeconds": {to: 7}, "probes.liveness.failureThreshold": {to: 7},
		"probes.readiness.periodSeconds": {to: 7}, "probes.readiness.timeoutSeconds": {to: 7}, "probes.readiness.failureThreshold": {to: 7},

		"service.type": {to: "LoadBalancer"}, "service.port": {to: 8000}, "service.annotations": {to: values{"a": "b"}},
		"ingress.enabled": {to: true, with: values{}.set("ingress.host", "chat.example.com")}, "ingress.className": {to: "nginx", with: ingress},
		"ingress.host": {to: "other.example.com", with: ingress}, "ingress.path": {to: "/chat", with: ingress},
		"ingress.tlsSecret": {to: "tls", with: ingress}, "ingress.annotations": {to: values{"a": "b"}, with: ingress},
		"autoscaling.enabled": {to: true}, "autoscaling.minReplicas": {to: 4, with: on("autoscaling")}, "autoscaling.maxReplicas": {to: 40, with: on("autoscaling")},
		"autoscaling.metric": {to: "other", with: on("autoscaling")}, "autoscaling.sessionsPerNode": {to: 20000, with: on("autoscaling")},
		"autoscaling.cpuPercent":                     {to: 70, with: on("autoscaling")},
		"autoscaling.scaleDown.stabilizationSeconds": {to: 3600, with: on("autoscaling")}, "autoscaling.scaleDown.pods": {to: 2, with: on("autoscaling")},
		"autoscaling.scaleDown.periodSeconds": {to: 60, with: on("autoscaling")},
		"podDisruptionBudget.enabled":         {to: false}, "podDisruptionBudget.maxUnavailable": {to: "25%"},
		"topologySpread.enabled": {to: false}, "topologySpread.whenUnsatisfiable": {to: "DoNotSchedule"},
		"metrics.enabled": {to: true}, "metrics.port": {to: 9999}, "metrics.serviceMonitor.enabled": {to: true, with: on("metrics")},
		"metrics.serviceMonitor.interval": {to: "1m", with: monitored}, "metrics.serviceMonitor.labels": {to: values{"release": "prometheus"}, with: monitored},
		"networkPolicy.enabled": {to: true}, "networkPolicy.metricsFrom": {to: []values{{"podSelector": values{}}}, with: on("networkPolicy")},
		"serviceAccount.create": {to: false}, "serviceAccount.name": {to: "other"}, "serviceAccount.annotations": {to: values{"a": "b"}},
		"podAnnotations": {to: values{"a": "b"}}, "podLabels": {to: values{"a": "b"}}, "nodeSelector": {to: values{"a": "b"}},
		"tolerations": {to: []values{{"operator": "Exists"}}}, "affinity": {to: values{"nodeAffinity": values{}}}, "priorityClassName": {to: "high"},
		"extraEnv": {to: []values{{"name": "GOMEMLIMIT", "value": "900MiB"}}}, "extraVolumes": {to: []values{{"name": "ca", "configMap": values{"name": "ca"}}}},
		"extraVolumeMounts": {to: []values{{"name": "ca", "mountPath": "/etc/ca"}}},
	}
}

// merged returns v with the values of others.
func (v values) merged(others values) values {
	all := maps.Clone(v)
	for name, value := range others {
		inner, isMap := value.(values)
		if before, ok := all[name].(values); ok && isMap {
			value = before.merged(inner)
		}
		all[name] = value
	}
	return all
}

// Each value of the chart changes what is rendered, and what is rendered is valid.
func TestEachValueChangesTheOutput(t *testing.T) {
	c := loadChart(t)
	all := changes()
	require.Equal(t, leaves("", c.Values), slices.Sorted(maps.Keys(all)), "each value of values.yaml has its line in changes")
	for path, change := range all {
		t.Run(path, func(t *testing.T) {
			with := required().merged(change.with)
			before, err := render(c, with)
			require.NoError(t, err)
			decode(t, before)
			after, err := render(c, with.set(path, change.to))
			require.NoError(t, err)
			decode(t, after)
			require.NotEqual(t, before, after, "the value changes nothing")
		})
	}
}

// The schema refuses what the chart does not know, and values of the wrong kind, by name.
func TestSchemaRefuses(t *testing.T) {
	c := loadChart(t)
	refused := func(name string, v values, says string) {
		t.Run(name, func(t *testing.T) {
			_, err := render(c, v)
			require.Error(t, err)
			require.ErrorContains(t, err, says)
		})
	}
	for _, path := range leaves("", c.Values) {
		var wrong any = values{"unexpected": values{"a": 1}}
		if path == "resources" || path == "affinity" { // free-form
			wrong = "text"
		}
		refused(path+" of the wrong kind", required().set(path, wrong), strings.ReplaceAll(path, ".", "/"))
	}
	groups := map[string]bool{"": true}
	for _, path := range leaves("", c.Values) {
		for at := strings.LastIndex(path, "."); at > 0; at = strings.LastIndex(path[:at], ".") {
			groups[path[:at]] = true
		}
	}
	for group := range groups {
		refused("an unknown value in "+group, required().set(strings.TrimPrefix(group+".unknown", "."), 1), "unknown")
	}
	for path, bad := range map[string]any{
		"replicas": 0, "image.digest": "sha256:1", "database.url": "mysql://x", "redis.url": "http://x", "amqp.url": "kafka://x", "migration": "hook",
		"drainSeconds": 0, "runAsUser": 0, "service.port": 70000, "service.type": "ExternalName", "ingress.path": "chat", "metrics.port": 80,
		"autoscaling.cpuPercent": 101, "autoscaling.scaleDown.periodSeconds": 3600, "podDisruptionBudget.maxUnavailable": "many",
		"metrics.serviceMonitor.interval": "often", "topologySpread.whenUnsatisfiable": "Never", "fullnameOverride": "Capital", "tokens.jwksURLs": []string{"file:///x"},
	} {
		refused(fmt.Sprint(path, " = ", bad), required().set(path, bad), strings.ReplaceAll(path, ".", "/"))
	}
	refused("what is no setting", required().set("settings", values{"LOG_LEVEL": "debug"}), "LOG_LEVEL")
	refused("a setting that the chart sets itself", required().set("settings", values{"IM_DATABASE_URL": "x"}), "IM_DATABASE_URL")
	for path, says := range map[string]string{
		"database.url": "set database.url, or database.urlSecret.name", "redis.url": "set redis.url", "amqp.url": "set amqp.url", "tokens.secret.name": "set tokens.secret.name",
	} {
		refused("no "+path, required().set(path, ""), says)
	}
	refused("two URLs", required().set("redis.urlSecret.name", "a"), "only one of redis.url and redis.urlSecret.name")
	refused("an Ingress without a host", required().set("ingress.enabled", true), "ingress.host")
	refused("a ServiceMonitor without metrics", required().set("metrics.serviceMonitor.enabled", true), "metrics.enabled=true")
}

// The schema describes each value.
func TestSchemaDescribesEachValue(t *testing.T) {
	c := loadChart(t)
	var schema map[string]any
	require.NoError(t, json.Unmarshal(c.Schema, &schema))
	for _, path := range leaves("", c.Values) {
		at := schema
		for _, name := range strings.Split(path, ".") {
			properties, _ := at["properties"].(map[string]any)
			at, _ = properties[name].(map[string]any)
			require.NotNil(t, at, path)
			require.NotEmpty(t, at["description"], path)
		}
	}
}
