package postgres_test

import (
	"fmt"
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

// The server prepares every constant whose name ends in SQL.
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

// queries returns the constants whose names end in SQL, by name.
func queries(t *testing.T) map[string]string {
	t.Helper()
	constants := parseConstants(t)
	found := map[string]string{}
	for qualified := range constants {
		if _, name, _ := strings.Cut(qualified, "."); strings.HasSuffix(name, "SQL") {
			require.NotContains(t, found, name, "two packages have it")
			text, err := constants.text(qualified)
			require.NoError(t, err)
			found[name] = text
		}
	}
	return found
}

// constants holds the expressions of the constants and variables of the packages of the
// store, by package and name: "postgres.feedSQL".
type constants map[string]ast.Expr

func parseConstants(t *testing.T) constants {
	t.Helper()
	found := constants{}
	for _, pattern := range []string{"*.go", "*/*.go"} {
		paths, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, path := range paths {
			if !strings.HasSuffix(path, "_test.go") {
				file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
				require.NoError(t, err)
				found.add(file)
			}
		}
	}
	return found
}

func (c constants) add(file *ast.File) {
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range spec.Names {
			if i < len(spec.Values) {
				c[file.Name.Name+"."+name.Name] = spec.Values[i]
			}
		}
		return true
	})
}

// text returns the value of a constant that is composed of string literals and of other
// such constants.
func (c constants) text(name string) (string, error) {
	expr, ok := c[name]
	if !ok {
		return "", fmt.Errorf("%s is not defined", name)
	}
	pkg, _, _ := strings.Cut(name, ".")
	text, err := c.evaluate(pkg, expr)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

func (c constants) evaluate(pkg string, expr ast.Expr) (string, error) {
	switch e := expr.(type) {
	case *ast.BasicLit:
		return strconv.Unquote(e.Value)
	case *ast.Ident:
		return c.text(pkg + "." + e.Name)
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok {
			return c.text(x.Name + "." + e.Sel.Name)
		}
	case *ast.ParenExpr:
		return c.evaluate(pkg, e.X)
	case *ast.BinaryExpr:
		left, err := c.evaluate(pkg, e.X)
		if err != nil {
			return "", err
		}
		right, err := c.evaluate(pkg, e.Y)
		return left + right, err
	}
	return "", fmt.Errorf("not a composition of constants: %T", expr)
}
