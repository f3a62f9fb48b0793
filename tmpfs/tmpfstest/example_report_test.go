package tmpfstest_test

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/tmpfs/tmpfstest"
)

// summarize is a user's own code: it writes to out how many lines each text file
// in dir has, one summary for each.
func summarize(fsys afero.Fs, dir, out string) error {
	names, err := afero.Glob(fsys, path.Join(dir, "*.txt"))
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := afero.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		summary := fmt.Sprintf("%d lines\n", strings.Count(string(text), "\n"))
		if err := afero.WriteFile(fsys, path.Join(out, path.Base(name)), []byte(summary), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// testSummarize is what its test looks like: a tree to begin with, and a snapshot
// to compare. What is made is gone after it, and checked to be gone.
func testSummarize(t testing.TB) {
	d := tmpfstest.Tree(t, afero.NewMemMapFs(), map[string]string{
		"in/a.txt": "one\ntwo\n",
		"in/b.txt": "",
		"in/c.bin": "\x00",
		"out/":     "",
	})
	before := tmpfstest.Snapshot(t, d, "/in")
	if err := summarize(d, "/in", "/out"); err != nil {
		t.Fatalf("%v", err)
	}
	if after := tmpfstest.Snapshot(t, d, "/in"); !maps.Equal(before, after) {
		t.Errorf("the input has changed")
	}
	want := map[string]string{"a.txt": "2 lines\n", "b.txt": "0 lines\n"}
	if got := tmpfstest.Snapshot(t, d, "/out"); !maps.Equal(got, want) {
		t.Errorf("got %v", slices.Sorted(maps.Keys(got)))
	}
}

func Example_ownCode() {
	fmt.Println(run(testSummarize).errs) // as go test does
	// Output: []
}
