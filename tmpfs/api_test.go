package tmpfs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestExamples: every entry point has one. Beneath and KeepAt are for the other
// packages of this module: their types cannot be named outside.
func TestExamples(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "example_test.go", nil, 0)
	require.NoError(t, err)
	var have []string
	for _, decl := range f.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok {
			have = append(have, strings.Replace(strings.TrimPrefix(fn.Name.Name, "Example"), "_", ".", 1))
		}
	}
	for _, name := range exported(t) {
		if name == "File" || name == "Dir" || strings.HasSuffix(name, ".Beneath") || strings.HasSuffix(name, ".KeepAt") {
			continue
		}
		assert.Contains(t, have, name)
	}
	assert.True(t, slices.Contains(have, ""), "the package's own")
}

// exported lists what this package exports, less the fields.
func exported(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, decl := range f.Decls {
			names = append(names, exportedBy(decl)...)
		}
	}
	slices.Sort(names)
	return names
}

func exportedBy(decl ast.Decl) (names []string) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			recv := d.Recv.List[0].Type
			if star, ok := recv.(*ast.StarExpr); ok {
				recv = star.X
			}
			name = recv.(*ast.Ident).Name + "." + name
		}
		if d.Name.IsExported() && ast.IsExported(name) {
			names = append(names, name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() {
					names = append(names, s.Name.Name)
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if n.IsExported() {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}
