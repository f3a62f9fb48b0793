package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// around is what an example of the README leaves out.
const around = `package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/workdir/staging"
)

func main() {
	ctx, fsys, body := context.Background(), afero.NewMemMapFs(), strings.NewReader("hello")
	%s
}
`

func TestReadmeExamplesRun(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	blocks := goBlock.FindAllSubmatch(text, -1)
	require.NotEmpty(t, blocks)
	for i, block := range blocks {
		if inOtherModules.Match(block[1]) {
			continue
		}
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			program := fmt.Sprintf(around, block[1])
			var want strings.Builder
			for _, m := range prints.FindAllStringSubmatch(program, -1) {
				want.WriteString(m[1] + "\n")
			}
			require.NotEmpty(t, want.String(), "the example says what it prints")
			assert.Equal(t, want.String(), goRun(t, program))
		})
	}
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
	assert.LessOrEqual(t, strings.Count(string(text), "\n"), 120)
}
