package main

import (
	"encoding/json"
	"fmt"
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
)

var (
	goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	cell    = regexp.MustCompile("(?m)^\\| `.*\\| `([^`]+)` \\|$")
	prints  = regexp.MustCompile(`(?m)// prints (.*)$`)

	// inOtherModules finds the examples that are run in modules of their own, which have
	// what these need.
	inOtherModules = regexp.MustCompile(`\b(sshfs|blobstage)\.`)
)

// goRun runs program as a package of this module, which it is only for the time
// of the call and only to the go command.
func goRun(t *testing.T, program string) string {
	t.Helper()
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	source := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(source, []byte(program), 0o600))
	overlay, err := json.Marshal(map[string]any{
		"Replace": map[string]string{filepath.Join(root, "bench", "readme", "main.go"): source},
	})
	require.NoError(t, err)
	list := filepath.Join(t.TempDir(), "overlay.json")
	require.NoError(t, os.WriteFile(list, overlay, 0o600))
	cmd := exec.CommandContext(t.Context(), "go", "run", "-overlay", list, "./bench/readme")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// imports are those that an example of the README leaves out.
var imports = map[string]string{
	"afero":    "github.com/spf13/afero",
	"atomicfs": "github.com/tempkit/tempkit/atomicfs",
	"context":  "context",
	"fmt":      "fmt",
	"sha256":   "crypto/sha256",
	"spool":    "github.com/tempkit/tempkit/spool",
	"staging":  "github.com/tempkit/tempkit/workdir/staging",
	"strings":  "strings",
	"tmpfs":    "github.com/tempkit/tempkit/tmpfs",
	"workdir":  "github.com/tempkit/tempkit/workdir",
}

// whole returns a program around the lines of an example, which has the usual
// variables, uses what the lines declare, and ends badly where one of them fails.
func whole(block string) string {
	var lines, used strings.Builder
	for line := range strings.Lines(block) {
		lines.WriteString(line)
		m := assigns.FindStringSubmatch(line)
		if m == nil || strings.HasSuffix(strings.TrimSpace(line), "{") {
			continue
		}
		for name := range strings.SplitSeq(m[1], ", ") {
			fmt.Fprintf(&used, "\t_ = %s\n", name)
			if name == "err" {
				lines.WriteString("\tif err != nil {\n\t\tpanic(err)\n\t}\n")
			}
		}
	}
	const before = `	ctx, fsys, body, data := context.Background(), afero.NewMemMapFs(), strings.NewReader("hello"), []byte("text")
	_, _, _, _ = ctx, fsys, body, data
	if err := fsys.Mkdir("/data", 0o755); err != nil {
		panic(err)
	}
`
	code := before + lines.String() + used.String()
	var list strings.Builder
	for _, name := range slices.Sorted(maps.Keys(imports)) {
		if strings.Contains(code, name+".") {
			fmt.Fprintf(&list, "\t%q\n", imports[name])
		}
	}
	return "package main\n\nimport (\n" + list.String() + ")\n\nfunc main() {\n" + code + "}\n"
}

// assigns finds what a line at the left margin assigns to.
var assigns = regexp.MustCompile(`^(\w+(?:, \w+)*) :?= `)

func TestReadmeExamplesRun(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	blocks := goBlock.FindAllSubmatch(text, -1)
	require.Len(t, blocks, strings.Count(string(text), "```go\n"), "all were found")
	require.NotEmpty(t, blocks)
	printing := 0
	for i, block := range blocks {
		if inOtherModules.Match(block[1]) {
			continue
		}
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			var want strings.Builder
			for _, m := range prints.FindAllSubmatch(block[1], -1) {
				printing++
				fmt.Fprintf(&want, "%s\n", m[1])
			}
			assert.Equal(t, want.String(), goRun(t, whole(string(block[1]))))
		})
	}
	assert.Positive(t, printing, "one says what it prints")
}

func TestReadmeTableCompiles(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	cells := cell.FindAllSubmatch(text, -1)
	require.Len(t, cells, 4, "a line for each room")
	var calls strings.Builder
	for _, c := range cells {
		fmt.Fprintf(&calls, "\t%s\n", c[1])
	}
	goRun(t, `package main

import (
	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
	"github.com/tempkit/tempkit/workdir"
)

func rooms(fsys afero.Fs, data []byte, job func(d *workdir.Dir) error) {
`+calls.String()+`}

func main() { _ = rooms }
`)
}

func TestReadmeNamesTheTwoCommands(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	assert.Contains(t, string(text), "\ngo run ./bench\n")
	assert.Contains(t, string(text), "\ngo test ./...\n")
	assert.Less(t, strings.Count(string(text), "\n"), 160)
}

// A command of the README that names a test or a flag names one that there is.
func TestReadmeCommandsExist(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	rivals, err := os.ReadFile("../internal/powercut/rivals_test.go")
	require.NoError(t, err)
	assert.Contains(t, string(text), "-run Rivals -powercut.states=")
	assert.Contains(t, string(rivals), "func TestRivals(")
	for _, m := range regexp.MustCompile("`go run ./bench (-\\w+)").FindAllSubmatch(text, -1) {
		assert.Contains(t, usage, string(m[1]))
	}
	for _, m := range regexp.MustCompile(`\]\(([^)]*)\)`).FindAllSubmatch(text, -1) {
		if link := string(m[1]); !strings.HasPrefix(link, "https://") {
			_, err := os.Stat(filepath.Join("..", filepath.FromSlash(link)))
			assert.NoError(t, err, "a link of the README")
		}
	}
}
