package main

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A room is a package that users import, as its sources tell.
type room struct {
	dir      string
	fset     *token.FileSet
	files    map[string]*ast.File // by name, without tests
	tests    map[string]*ast.File
	examples []*doc.Example
}

// userRooms returns all packages of the module that users can import.
func userRooms(t *testing.T) (all []*room) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); name == "internal" || name == "testdata" || name == "bench" || name != ".." && strings.HasPrefix(name, ".") {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && path != ".." {
			return filepath.SkipDir // a module of its own
		}
		if r := parseRoom(t, path); len(r.files) > 0 {
			all = append(all, r)
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, len(all), 5, "the rooms were found")
	return all
}

func parseRoom(t *testing.T, dir string) *room {
	r := &room{dir: dir, fset: token.NewFileSet(), files: map[string]*ast.File{}, tests: map[string]*ast.File{}}
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	for _, name := range names {
		file, err := parser.ParseFile(r.fset, name, nil, parser.ParseComments)
		require.NoError(t, err)
		if strings.HasSuffix(name, "_test.go") {
			r.tests[name] = file
			r.examples = append(r.examples, doc.Examples(file)...)
		} else {
			r.files[name] = file
		}
	}
	return r
}

// exported calls fn with each exported name of the room, its comment, and whether a
// user calls it or makes one.
func (r *room) exported(fn func(name, comment string, entry bool)) {
	for _, file := range r.files {
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				receiver := receiverOf(d)
				if !d.Name.IsExported() || receiver != "" && !ast.IsExported(receiver) {
					continue
				}
				name := d.Name.Name
				if receiver != "" {
					name = receiver + "." + name
				}
				fn(name, d.Doc.Text(), true)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						if s.Name.IsExported() {
							fn(s.Name.Name, s.Doc.Text()+d.Doc.Text(), true)
							fields(s, fn)
						}
					case *ast.ValueSpec:
						for _, id := range s.Names {
							if id.IsExported() {
								fn(id.Name, s.Doc.Text()+s.Comment.Text()+d.Doc.Text(), false)
							}
						}
					}
				}
			}
		}
	}
}

// fields calls fn with each exported field of a struct.
func fields(s *ast.TypeSpec, fn func(name, comment string, entry bool)) {
	st, ok := s.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, field := range st.Fields.List {
		for _, id := range field.Names { // an embedded one is what it is
			if id.IsExported() {
				fn(s.Name.Name+"."+id.Name, field.Doc.Text()+field.Comment.Text(), false)
			}
		}
	}
}

func receiverOf(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	expr := d.Recv.List[0].Type
	if star, ok := expr.(*ast.StarExpr); ok {
		expr = star.X
	}
	if id, ok := expr.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

func TestEveryExportedNameHasADocComment(t *testing.T) {
	for _, r := range userRooms(t) {
		var missing []string
		r.exported(func(name, comment string, _ bool) {
			if strings.TrimSpace(comment) == "" {
				missing = append(missing, name)
			}
		})
		slices.Sort(missing)
		assert.Empty(t, missing, r.dir)
		packageDoc := 0
		for _, file := range r.files {
			if file.Doc != nil {
				packageDoc++
			}
		}
		assert.Equal(t, 1, packageDoc, "%s: one file has the package's comment", r.dir)
	}
}

// known are methods that are what an interface of the standard library or of afero
// says, and need no example.
var known = strings.Fields(`Chdir Chmod Chown Chtimes Close Error LstatIfPossible Name Read ReadAt ReadDir ReadFrom
	Readdir Readdirnames ReadlinkIfPossible Seek Stat String SymlinkIfPossible Sync Truncate Unwrap Write WriteAt
	WriteString WriteTo`)

func TestEveryEntryPointHasAnExample(t *testing.T) {
	for _, r := range userRooms(t) {
		shown := map[string]bool{} // by "Func", "Type" and "Type.Method"
		for _, e := range r.examples {
			name, _, _ := strings.Cut(e.Name, "_")
			shown[name] = true // an example of a method is one of its type
			if parts := strings.Split(e.Name, "_"); len(parts) > 1 {
				shown[parts[0]+"."+parts[1]] = true
			}
		}
		used := r.usedInExamples()
		var missing []string
		r.exported(func(name, comment string, entry bool) {
			_, method, isMethod := strings.Cut(name, ".")
			switch {
			case !entry || shown[name]:
			case isMethod && slices.Contains(known, method):
			case isMethod && strings.Contains(comment, "for the other packages of"):
			case !isMethod && ast.IsExported(name) && used[name]: // such as Options, which is nothing without a function
			default:
				missing = append(missing, name)
			}
		})
		slices.Sort(missing)
		assert.Empty(t, missing, r.dir)
	}
}

// usedInExamples returns the names of the room that stand in the code of some
// example, as the type of a value that is made there.
func (r *room) usedInExamples() map[string]bool {
	used := map[string]bool{}
	for _, e := range r.examples {
		ast.Inspect(e.Code, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if sel, ok := lit.Type.(*ast.SelectorExpr); ok {
				used[sel.Sel.Name] = true
			}
			return true
		})
	}
	return used
}

func TestExamplesComeFirstAndSayWhatTheyPrint(t *testing.T) {
	for _, r := range userRooms(t) {
		for name, file := range r.tests {
			after := ""
			for _, decl := range file.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok || fn.Recv != nil {
					continue
				}
				switch {
				case strings.HasPrefix(fn.Name.Name, "Example"):
					assert.Empty(t, after, "%s: %s stands behind a test", name, fn.Name.Name)
				case strings.HasPrefix(fn.Name.Name, "Test"), strings.HasPrefix(fn.Name.Name, "Fuzz"):
					after = fn.Name.Name
				}
			}
		}
		for _, e := range r.examples {
			assert.True(t, e.Output != "" || e.EmptyOutput, "%s: Example%s is compiled, not run", r.dir, e.Name)
		}
	}
}
