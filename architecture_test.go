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
	return map[string][]string{
		"im":                      {},
		"im/domain":               {"im/internal/strictjson"},
		"im/domain/domaintest":    domain,
		"im/internal/coalesce":    {},
		"im/internal/edge":        domain,
		"im/internal/strictjson":  {},
		"im/rest":                 edge,
		"im/realtime":             append([]string{"im/internal/coalesce"}, edge...),
		"im/routing":              domain,
		"im/store/postgres":       append([]string{"im/migrations"}, domain...),
		"im/migrations":           {},
		"im/internal/auth":        domain,
		"im/internal/ratelimit":   domain,
		"im/internal/profiles":    append([]string{"im/internal/coalesce"}, domain...),
		"im/internal/devservices": {},
		"im/internal/eventjson":   domain,
		"im/internal/freeport":    {},
		"im/client":               append([]string{"im/internal/eventjson"}, domain...),
		"im/web":                  {},
		"im/deploy":               {},
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

		"im/store/postgres":                   {"appendlog", "feed", "internal/pg", "read", "rebuild", "search", "users"},
		"im/store/postgres/appendlog":         {"internal/pg"},
		"im/store/postgres/feed":              {"internal/pg"},
		"im/store/postgres/read":              {"internal/pg", "users"},
		"im/store/postgres/rebuild":           {"internal/pg"},
		"im/store/postgres/search":            {"feed", "internal/pg", "read", "search/terms", "users"},
		"im/store/postgres/search/terms":      {},
		"im/store/postgres/users":             {"internal/dataload", "internal/pg"},
		"im/store/postgres/internal/dataload": {"internal/pg"},
		"im/store/postgres/internal/pg":       {},
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
