package im_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The dependency rule: which packages of this module a part may depend on,
// directly or not, beside itself and what lies beneath it. Only cmd/im knows
// everybody.
func allowed() map[string][]string {
	domain := []string{"im/domain"}
	return map[string][]string{
		"im":                       {},
		"im/domain":                {},
		"im/rest":                  domain,
		"im/realtime":              domain,
		"im/routing":               domain,
		"im/store/postgres":        append([]string{"im/migrations"}, domain...),
		"im/migrations":            {},
		"im/internal/auth/token":                 domain,
		"im/internal/auth/gate":                  domain,
		"im/internal/ratelimit":                  domain,
		"im/client":                {"im/domain", "im/internal/eventjson"},
		"im/web":                   {},
		"im/internal/devservices":              {},
		"im/deploy":                {},
		"im/cmd/im":                {"im"},
		"im/test/proxytest":    {},
		"im/internal/eventjson":    domain,
		"im/internal/freeport":     {},
		"im/test/pgtest": {"im/store/postgres", "im/migrations", "im/domain"},
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
			if ours(dep) && !within(dep, part) && part != "im/cmd/im" {
				require.True(t, slices.ContainsFunc(may, func(p string) bool { return within(dep, p) }), "%s depends on %s", name, dep)
			}
		}
	}
	require.Greater(t, seen, 8)
}

func TestDomainIsPure(t *testing.T) {
	for _, dep := range list(t, "-deps", "-f", `{{if not .Standard}}{{.ImportPath}}{{end}}`, "./domain/...") {
		require.True(t, within(dep, "im/domain"), "the domain depends on %s", dep)
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

// partOf finds the most particular rule for a package. The root package has no
// rule for what lies beneath it.
func partOf(name string) (part string, may []string) {
	for candidate, list := range allowed() {
		if (within(name, candidate) && candidate != "im" || name == candidate) && len(candidate) > len(part) {
			part, may = candidate, list
		}
	}
	return part, may
}
