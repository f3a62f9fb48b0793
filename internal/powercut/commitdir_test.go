//go:build linux

package powercut_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/powercut"
	"github.com/tempkit/tempkit/tmpfs"
)

// commitDirScenarios put trees in place: of new names, below new parents, and in
// the place of others.
func commitDirScenarios() []powercut.Scenario {
	var fresh, replaced []tree
	for i := range 4 {
		fresh = append(fresh, tree{name: fmt.Sprint("new-", i), last: 1}, tree{name: fmt.Sprintf("p-%d/q/new", i), last: 1})
		replaced = append(replaced, tree{name: fmt.Sprint("replaced-", i), last: 3, old: true})
	}
	return []powercut.Scenario{{
		Name:   "CommitDir, new",
		Work:   trees(fresh, commitDir),
		Verify: withTemporaryDirs(verify(fresh, 0)),
	}, {
		Name:   "CommitDir, replace",
		Setup:  setUpTrees(replaced),
		Work:   trees(replaced, commitDir),
		Verify: withTemporaryDirs(verify(replaced, 0)),
	}}
}

func setUpTrees(trees []tree) func(dir string) error {
	return func(dir string) error {
		for _, t := range trees {
			if err := t.write(filepath.Join(dir, t.name), 0); err != nil {
				return err
			}
		}
		return nil
	}
}

// trees puts all versions of all trees in place, one after another.
func trees(trees []tree, put func(dir string, t tree, version int) error) func(dir string, promise promise) error {
	return func(dir string, promise promise) error {
		for v := 1; v <= trees[0].last; v++ {
			for _, t := range trees {
				if err := put(dir, t, v); err != nil {
					return err
				}
				promise(t.name, v)
			}
		}
		return nil
	}
}

func commitDir(dir string, t tree, version int) error {
	d, err := tmpfs.Mkdir(osFs, &tmpfs.Options{Dir: dir, Pattern: treePattern})
	if err != nil {
		return err
	}
	defer d.Close()
	if err := t.write(d.Path(), version); err != nil {
		return err
	}
	return atomicfs.CommitDir(d, filepath.Join(dir, t.name))
}

const treePattern = "tree-*"

// withTemporaryDirs removes the temporary directories of the workload before
// verify looks: there may be one in flight and, as the removal of what it replaced
// need not be durable, one more. They have no lease, so that no sweep takes them;
// who wants that makes them by package workdir.
func withTemporaryDirs(verify func(dir string, promised map[string]int) error) func(string, map[string]int) error {
	return func(dir string, promised map[string]int) error {
		found, err := filepath.Glob(filepath.Join(dir, treePattern))
		if err != nil {
			return err
		}
		if len(found) > 2 {
			return fmt.Errorf("litter: %d temporary directories: %q", len(found), found)
		}
		for _, name := range found {
			if err := os.RemoveAll(name); err != nil {
				return fmt.Errorf("temporary directory: %w", err)
			}
		}
		return verify(dir, promised)
	}
}
