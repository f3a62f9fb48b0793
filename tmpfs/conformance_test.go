package tmpfs_test

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tempkit/tempkit/internal/testfs"
)

// A check holds a row to its assertion, on one kind of Fs. Where the row finds
// its own, the kind is empty.
type check func(t *testing.T, k testfs.Kind)

// checks are those of all files.
func checks(t *testing.T) map[string]check {
	t.Helper()
	all := map[string]check{}
	for _, some := range []map[string]check{checksOfMaking, checksOfFiles, checksOfDirs, checksOfRust, checksOfRustDirs, checksOfSpools} {
		for id, c := range some {
			require.NotContains(t, all, id, "two checks of one row")
			all[id] = c
		}
	}
	return all
}

// TestConformance runs the table, so that it is the report.
func TestConformance(t *testing.T) {
	todo := checks(t)
	var passed, skipped, failed int
	for _, r := range table {
		c, ok := todo[r.id]
		delete(todo, r.id)
		if r.mark == never && ok {
			t.Errorf("%s: a check of what means nothing here", r.id)
		}
		t.Run(r.id, func(t *testing.T) {
			defer func() {
				switch {
				case t.Failed():
					failed++
				case t.Skipped():
					skipped++
				default:
					passed++
				}
			}()
			switch {
			case !ok:
				t.Skip("not applicable: " + r.asserts)
			case r.kinds == "":
				c(t, testfs.Kind{})
			default:
				r.on(t, c)
			}
		})
	}
	assert.Empty(t, slices.Collect(maps.Keys(todo)), "checks of rows that are not in the table")
	figure := fmt.Sprintf("%d rows passed, %d skipped (not applicable), %d failed", passed, skipped, failed)
	fmt.Println("conformance: " + figure)
	if passed+skipped+failed < len(table) || runtime.GOOS != "linux" || os.Getuid() != 0 {
		return // somebody asked for a few, or some cannot be run here
	}
	doc, err := os.ReadFile("tmpfs.go")
	require.NoError(t, err)
	text := strings.Join(strings.Fields(strings.ReplaceAll(string(doc), "\n//", " ")), " ")
	assert.Contains(t, text, figure, "the figure in the package documentation")
}

// on runs c on the kinds of the row.
func (r row) on(t *testing.T, c check) {
	t.Helper()
	letters := map[string]string{"OsFs": "O", "MemMapFs": "M", "rootfs": "B", "BasePathFs(OsFs)": "B"}
	ran := 0
	testfs.Each(t, func(t *testing.T, k testfs.Kind) {
		if letter := letters[k.Name]; r.kinds == "*" || letter != "" && strings.Contains(r.kinds, letter) {
			ran++
			c(t, k)
		}
	})
	assert.Positive(t, ran)
}

// TestTable: the rows are those of the two suites, each once, and only a row that
// says why has no check.
func TestTable(t *testing.T) {
	var ids []string
	for i := range 118 {
		ids = append(ids, fmt.Sprintf("C%03d", i+1))
	}
	for i := range 67 {
		ids = append(ids, fmt.Sprintf("R%02d", i+1))
	}
	todo := checks(t)
	for i, r := range table {
		require.Equal(t, ids[i], r.id)
		require.NotEmpty(t, r.asserts)
		if todo[r.id] == nil {
			assert.Contains(t, reasons, r.asserts, "%s has no check", r.id)
		}
	}
	assert.Len(t, table, len(ids))
}

// reasons are what may stand in the place of a check.
var reasons = func() (all []string) {
	all = []string{
		noBytes, noCollector, noExit, noText, noFileFlags,
		"access lists are of Windows",
		"there is no process-wide directory that a second call could find set: WithTempDir makes another Fs",
		"Options has no flags for opening: a temporary is read and written",
	}
	for _, r := range table {
		if r.mark == never {
			all = append(all, r.asserts)
		}
	}
	return all
}()
