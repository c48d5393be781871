package im_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The dependency rule: which packages of this module a part may depend on,
// directly or not, beside itself and the packages below it. Only the wiring, the tools
// and the tests of whole nodes may depend on everything.
func allowed() map[string][]string {
	domain := []string{"im/domain", "im/internal/strictjson"}
	edge := append([]string{"im/internal/edge"}, domain...)
	origin := append([]string{"im/internal/origin", "im/internal/forwarded"}, edge...)
	return map[string][]string{
		"im":                      {},
		"im/domain":               {"im/internal/strictjson"},
		"im/domain/domaintest":    domain,
		"im/internal/certfiles":   {},
		"im/internal/coalesce":    {},
		"im/internal/edge":        domain,
		"im/internal/strictjson":  {},
		"im/rest":                 append([]string{"im/internal/tracing"}, edge...),
		"im/realtime":             append([]string{"im/internal/coalesce", "im/internal/timeline", "im/internal/tracing"}, origin...),
		"im/routing":              append([]string{"im/internal/tracing", "im/internal/tlsfiles"}, domain...),
		"im/store/postgres":       append([]string{"im/migrations", "im/internal/timeline", "im/internal/tracing"}, domain...),
		"im/webhook":              append([]string{"im/internal/publicaddr", "im/internal/signedcall"}, domain...),
		"im/stream":               append([]string{"im/internal/tlsfiles"}, domain...),
		"im/push":                 append([]string{"im/internal/coalesce", "im/internal/publicaddr"}, domain...),
		"im/hook":                 append([]string{"im/internal/signedcall", "im/internal/tracing"}, domain...),
		"im/attachment":           domain,
		"im/migrations":           {},
		"im/internal/auth":        edge,
		"im/internal/forwarded":   {},
		"im/internal/origin":      origin,
		"im/internal/ratelimit":   append([]string{"im/internal/forwarded"}, domain...),
		"im/internal/publicaddr":  domain,
		"im/internal/profiles":    append([]string{"im/internal/coalesce"}, domain...),
		"im/internal/devservices": {},
		"im/internal/eventjson":   domain,
		"im/internal/freeport":    {},
		"im/internal/settings":    {},
		"im/internal/signedcall":  {},
		"im/internal/timeline":    {},
		"im/internal/tlsfiles":    {},
		"im/internal/tracing":     {},
		"im/client":               append([]string{"im/internal/eventjson"}, domain...),
		"im/web":                  {},
		"im/deploy":               {},
		"im/examples":             append([]string{"im/client", "im/internal/eventjson"}, domain...),
		// These wire or drive whole nodes.
		"im/internal/app": {"im"},
		"im/cmd/im":       {"im"},
		"im/tools":        {"im"},
		"im/test":         {"im"},
	}
}

func TestDependencyRule(t *testing.T) {
	packages := list(t, "-deps", "-f", `{{if not .Standard}}{{.ImportPath}} {{join .Deps " "}}{{end}}`, "./...")
	seen := 0
	for _, line := range packages {
		name, deps, _ := strings.Cut(line, " ")
		if !ours(name) {
			continue
		}
		seen++
		part, may := partOf(name)
		require.NotEmpty(t, part, "%s: say in this test what it may depend on", name)
		for _, dep := range strings.Fields(deps) {
			if ours(dep) && !within(dep, part) {
				require.True(t, slices.ContainsFunc(may, func(p string) bool { return within(dep, p) }), "%s depends on %s", name, dep)
			}
		}
	}
	require.Greater(t, seen, 8)
}

// TestLayersOfAdapters holds which packages of its own adapter each package imports. A
// package that is not listed here needs a place in these layers.
func TestLayersOfAdapters(t *testing.T) {
	layers := map[string][]string{
		"im/realtime":              {"hub", "presence", "wire", "ws"},
		"im/realtime/presence":     {"hub", "wire"},
		"im/realtime/hub":          {"wire", "ws"},
		"im/realtime/ws":           {"wire"},
		"im/realtime/wire":         {},
		"im/realtime/realtimetest": {},

		"im/routing":                   {"broker", "registry", "internal/queue", "internal/quietlog"},
		"im/routing/broker":            {"internal/queue", "internal/quietlog"},
		"im/routing/registry":          {"internal/quietlog"},
		"im/routing/internal/queue":    {},
		"im/routing/internal/quietlog": {},
		"im/internal/tlsfiles":         {},

		"im/store/postgres":                   {"appendlog", "attachments", "feed", "internal/pg", "push", "read", "rebuild", "reports", "search", "users", "webhooks"},
		"im/store/postgres/appendlog":         {"internal/pg"},
		"im/store/postgres/attachments":       {"internal/pg"},
		"im/store/postgres/feed":              {"internal/pg"},
		"im/store/postgres/push":              {"feed", "internal/pg", "internal/unread"},
		"im/store/postgres/read":              {"internal/pg", "users"},
		"im/store/postgres/rebuild":           {"internal/pg"},
		"im/store/postgres/reports":           {"internal/pg"},
		"im/store/postgres/search":            {"feed", "internal/pg", "read", "search/terms", "users"},
		"im/store/postgres/search/terms":      {},
		"im/store/postgres/users":             {"internal/dataload", "internal/pg"},
		"im/store/postgres/webhooks":          {"feed", "internal/pg", "internal/unread", "reports"},
		"im/store/postgres/internal/dataload": {"internal/pg"},
		"im/store/postgres/internal/pg":       {},
		"im/store/postgres/internal/unread":   {"internal/pg"},
	}
	for _, adapter := range []string{"im/realtime", "im/routing", "im/store/postgres"} {
		for _, line := range list(t, "-f", `{{.ImportPath}} {{join .Imports " "}}`, adapter+"/...") {
			name, imports, _ := strings.Cut(line, " ")
			may, listed := layers[name]
			require.True(t, listed, "%s has no place in the layers of its adapter", name)
			for _, imported := range strings.Fields(imports) {
				if sibling, ok := strings.CutPrefix(imported, adapter+"/"); ok {
					require.Contains(t, may, sibling, "%s imports %s", name, imported)
				}
			}
		}
	}
}

// TestOnlyTestsImportTestSupport: go list names what a package imports beside its
// tests.
func TestOnlyTestsImportTestSupport(t *testing.T) {
	support := []string{"im/domain/domaintest", "im/realtime/realtimetest"}
	for _, line := range list(t, "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...") {
		name, imports, _ := strings.Cut(line, " ")
		for _, imported := range strings.Fields(imports) {
			require.False(t, slices.Contains(support, imported) && !slices.Contains(support, name), "%s imports %s", name, imported)
		}
	}
}

func TestDomainIsPure(t *testing.T) {
	for _, dep := range list(t, "-deps", "-f", `{{if not .Standard}}{{.ImportPath}}{{end}}`, "./domain/...") {
		require.True(t, within(dep, "im/domain") || dep == "im/internal/strictjson", "the domain depends on %s", dep)
	}
}

func list(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	require.NoError(t, err)
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
}

func ours(name string) bool { return within(name, "im") }

func within(name, part string) bool { return name == part || strings.HasPrefix(name, part+"/") }

// partOf returns the most specific rule for a package. The rule of the root package
// does not apply to the packages below it.
func partOf(name string) (part string, may []string) {
	for candidate, list := range allowed() {
		if (within(name, candidate) && candidate != "im" || name == candidate) && len(candidate) > len(part) {
			part, may = candidate, list
		}
	}
	return part, may
}
