package postgres_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/test/pgtest"
)

// Every constant whose name ends in SQL is prepared by the server.
func TestEveryQueryPrepares(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t))
	queries := queries(t)
	require.Greater(t, len(queries), 20)
	for name, sql := range queries {
		_, err := conn.Prepare(t.Context(), name, sql)
		require.NoError(t, err, name)
	}
}

func queries(t *testing.T) map[string]string {
	paths, err := filepath.Glob("*.go")
	require.NoError(t, err)
	found := map[string]string{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for i, name := range spec.Names {
				if !strings.HasSuffix(name.Name, "SQL") {
					continue
				}
				literal, ok := spec.Values[i].(*ast.BasicLit)
				require.True(t, ok, "%s is not one literal", name.Name)
				text, err := strconv.Unquote(literal.Value)
				require.NoError(t, err)
				found[name.Name] = text
			}
			return true
		})
	}
	return found
}
