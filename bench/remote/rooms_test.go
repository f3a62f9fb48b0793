package remote_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/bench/remote/jail"
	"github.com/tempkit/tempkit/bench/remote/kind"
)

// rooms are the packages whose bodies run.
var rooms = []string{"tmpfs", "tmpfs/tmpfstest", "atomicfs", "spool", "workdir", "workdir/staging"}

// The bodies that testfs.Each runs on every kind run on a real sftp-server as well.
func TestRooms(t *testing.T) {
	jail.Need(t, jail.Possible())
	addr := keep(t)
	for _, room := range rooms {
		t.Run(strings.ReplaceAll(room, "/", "-"), func(t *testing.T) {
			tests := selected(t, room)
			if len(tests) == 0 {
				t.Skip("none of its tests runs on each kind")
			}
			j, err := jail.New(filepath.Join(t.TempDir(), "jail"), build(t, room))
			require.NoError(t, err)
			require.NoError(t, os.Mkdir(filepath.Join(j.Dir, "tmp"), 0o777))
			require.NoError(t, os.Chmod(filepath.Join(j.Dir, "tmp"), 0o777))
			cmd := j.Command("-test.v", "-test.short", "-test.timeout=10m",
				"-test.run=^("+strings.Join(tests, "|")+")$", "-test.skip="+skips(t, room, tests))
			cmd.Env = []string{kind.Address + "=" + addr, "TMPDIR=/tmp", "HOME=/tmp"}
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			err = cmd.Run()
			if err != nil || os.Getenv("TEMPKIT_REMOTE_V") != "" {
				t.Logf("%s", out.String())
			}
			require.NoError(t, err)
			ran := regexp.MustCompile(`(?m)^\s*--- PASS: \S*/`+kind.Name+` `).FindAll(out.Bytes(), -1)
			assert.NotEmpty(t, ran)
			t.Logf("%d tests, %d bodies on %s, %d of them left out by name", len(tests), len(ran), kind.Name, len(unfit[room]))
		})
	}
}

// root is the directory of the library.
const root = "../.."

// build returns a test binary of the room that has package kind in it. The file which
// imports that is there for the time of the call and for the go command only.
func build(t *testing.T, room string) (path string) {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(root, room))
	require.NoError(t, err)
	tmp := t.TempDir()
	source := filepath.Join(tmp, "kind_test.go")
	text := fmt.Sprintf("package %s_test\n\nimport _ %q\n", filepath.Base(room), "github.com/tempkit/tempkit/bench/remote/kind")
	require.NoError(t, os.WriteFile(source, []byte(text), 0o600))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(dir, "with_kind_test.go"): source}})
	require.NoError(t, err)
	list := filepath.Join(tmp, "overlay.json")
	require.NoError(t, os.WriteFile(list, overlay, 0o600))
	path = filepath.Join(tmp, "test")
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay", list, "-o", path, "github.com/tempkit/tempkit/"+room)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// selected returns the names of the tests of a room that call testfs.Each, also
// through other functions of their package.
func selected(t *testing.T, room string) (tests []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, room, "*_test.go"))
	require.NoError(t, err)
	uses := map[string]map[string]bool{} // a function to the names in it
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv != nil {
				continue
			}
			uses[fn.Name.Name] = namesIn(fn)
		}
	}
	found := map[string]bool{"testfs.Each": true}
	for more := true; more; {
		more = false
		for fn, names := range uses {
			for name := range names {
				if found[name] && !found[fn] {
					found[fn], more = true, true
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if strings.HasPrefix(name, "Test") && name != "TestMain" {
			tests = append(tests, name)
		}
	}
	return tests
}

// namesIn returns the names of functions that fn mentions.
func namesIn(fn *ast.FuncDecl) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok {
				names[x.Name+"."+n.Sel.Name] = true
			}
		case *ast.Ident:
			names[n.Name] = true
		}
		return true
	})
	return names
}

// skips returns the pattern of what is left out of a room, each of which is there to be
// left out.
func skips(t *testing.T, room string, tests []string) string {
	t.Helper()
	patterns := []string{"^$"}
	for _, name := range slices.Sorted(maps.Keys(unfit[room])) {
		top, _, _ := strings.Cut(name, "/")
		require.Contains(t, tests, top, "what is left out is a test of the room")
		elems := strings.Split(name, "/")
		for i, e := range elems {
			elems[i] = "^" + regexp.QuoteMeta(e) + "$"
		}
		patterns = append(patterns, strings.Join(elems, "/"))
	}
	return strings.Join(patterns, "|")
}
