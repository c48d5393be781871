package storetest

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Statements returns every SQL statement of the store by its name, "package.name":
// the constants whose names end in SQL. root is the folder of store/postgres. A
// constant may be composed of literals and of other constants.
func Statements(t testing.TB, root string) map[string]string {
	t.Helper()
	constants := map[string]ast.Expr{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		collect(file, constants)
		return nil
	})
	require.NoError(t, err)
	statements := map[string]string{}
	for name, value := range constants {
		if strings.HasSuffix(name, "SQL") {
			pkg, _, _ := strings.Cut(name, ".")
			statements[name] = evaluate(t, pkg, value, constants)
		}
	}
	return statements
}

// collect adds the constants of a file, by "package.name".
func collect(file *ast.File, constants map[string]ast.Expr) {
	ast.Inspect(file, func(n ast.Node) bool {
		decl, ok := n.(*ast.GenDecl)
		if !ok || decl.Tok != token.CONST {
			return true
		}
		for _, spec := range decl.Specs {
			spec := spec.(*ast.ValueSpec)
			for i, value := range spec.Values {
				constants[file.Name.Name+"."+spec.Names[i].Name] = value
			}
		}
		return true
	})
}

// evaluate returns the text of a constant expression of a package.
func evaluate(t testing.TB, pkg string, value ast.Expr, constants map[string]ast.Expr) string {
	t.Helper()
	switch e := value.(type) {
	case *ast.BasicLit:
		return constant.StringVal(constant.MakeFromLiteral(e.Value, e.Kind, 0))
	case *ast.BinaryExpr:
		return evaluate(t, pkg, e.X, constants) + evaluate(t, pkg, e.Y, constants)
	case *ast.Ident:
		return evaluate(t, pkg, constants[pkg+"."+e.Name], constants)
	case *ast.SelectorExpr:
		other := e.X.(*ast.Ident).Name
		return evaluate(t, other, constants[other+"."+e.Sel.Name], constants)
	}
	require.Fail(t, "not a constant of literals", "%T", value)
	return ""
}
