package atomicfs_test

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/testfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// files are what a directory holds in the proofs of CommitDir: contents by path.
type files map[string][]byte

var (
	oldTree = files{"a": testfs.Content('o', 10), "old/x": testfs.Content('o', 4097)}
	newTree = files{"a": testfs.Content('n', 4097), "b/c": testfs.Content('n', 1), "b/d/e": {}}
)

func (fs files) write(fsys afero.Fs, dir string) error {
	for name, data := range fs {
		if err := fsys.MkdirAll(path.Join(dir, path.Dir(name)), 0o755); err != nil {
			return err
		}
		if err := afero.WriteFile(fsys, path.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// at says how what is in dir differs from the tree.
func (fs files) at(disk *testfs.CrashFs, dir string) error {
	known := map[string]bool{}
	for name, data := range fs {
		if _, err := disk.Which(path.Join(dir, name), testfs.As(data, 0o644)); err != nil {
			return err
		}
		for ; name != "."; name = path.Dir(name) {
			known[path.Join(dir, name)] = true
		}
	}
	return disk.Strangers(dir, func(name string) bool { return known[name] })
}

// treeProof is the proof of a CommitDir to a place where there is the old files, or
// nothing if that is nil.
func treeProof(name, to string, old files, commit func(d *tmpfs.Dir) error) testfs.Proof {
	return testfs.Proof{
		Name: name,
		Before: func(fsys afero.Fs) error {
			if old == nil {
				return fsys.Mkdir("/dir", 0o755)
			}
			return old.write(fsys, to)
		},
		Act: func(fsys afero.Fs) error {
			d, err := tmpfs.Mkdir(fsys, &tmpfs.Options{Dir: "/dir"})
			if err != nil {
				return err
			}
			if err = newTree.write(d, "/"); err == nil {
				err = commit(d)
			}
			if cerr := d.Close(); cerr != nil {
				if err == nil {
					return fmt.Errorf("%w: %w", errLeft, cerr)
				}
				err = errors.Join(err, cerr)
			}
			return err
		},
		Holds: func(disk *testfs.CrashFs, s testfs.Seen) error { return treeHolds(disk, s, to, old) },
	}
}

// errLeft says that the tree is in place, and the one that it replaced not gone.
var errLeft = errors.New("the old tree is left")

func treeHolds(disk *testfs.CrashFs, s testfs.Seen, to string, old files) error {
	if s.Cut && s.NoDirSync("/dir") {
		return nil
	}
	isNew, isOld := newTree.at(disk, to), error(nil)
	if old != nil {
		isOld = old.at(disk, to)
	} else if _, err := disk.Stat(to); err == nil {
		isOld = errors.New("there is something")
	}
	inPlace := s.Err == nil || errors.Is(s.Err, atomicfs.ErrNotDurable) || errors.Is(s.Err, errLeft)
	switch {
	case isNew != nil && isOld != nil:
		return fmt.Errorf("%s is neither the new tree: %w, nor the old: %w", to, isNew, isOld)
	case !s.Ended:
	case s.Cut:
		if isNew != nil && s.Err == nil {
			return fmt.Errorf("%s is lost, though it was acknowledged: %w", to, isNew)
		}
	case isNew != nil && inPlace:
		return fmt.Errorf("%s is the old files, in spite of %w: %w", to, s.Err, isNew)
	case isNew == nil && !inPlace && !unseenDir(s):
		return fmt.Errorf("%s is the new tree, in spite of %w", to, s.Err)
	}
	if old != nil && s.Ended && !s.Cut {
		// A power cut may undo the exchange: the old tree must be there still, and where
		// nobody knows whether there was one, each of the two.
		_, left, told := strings.Cut(fmt.Sprint(s.Err), "left at ")
		left, _, _ = strings.Cut(left, "\n")
		switch {
		case told && isNew == nil:
			return old.at(disk, left)
		case told:
			return newTree.at(disk, left)
		}
	}
	// What is left is the temporary directory, or the old tree in its place.
	left := disk.Strangers("/dir", func(name string) bool {
		return name == to || strings.HasPrefix(to, name+"/") || strings.HasPrefix(name, to+"/") ||
			s.Cut && strings.HasPrefix(name, "/dir/tmp-")
	})
	if left != nil && s.Ended && s.Unremoved() {
		return nil
	}
	return left
}

// unseenDir reports whether a rename or an exchange took place, and its answer was
// lost together with what would have told.
func unseenDir(s testfs.Seen) bool {
	for i, call := range s.Met {
		switch op, _, _ := strings.Cut(call, " "); {
		case !s.How[i].Done:
		case op == "rename":
			return s.MetAny("lstat")
		case op == "exchange":
			return s.MetAny("exchanged ")
		}
	}
	return false
}

func treeProofs() []testfs.Proof {
	to := func(name string) func(d *tmpfs.Dir) error {
		return func(d *tmpfs.Dir) error { return atomicfs.CommitDir(d, name) }
	}
	return []testfs.Proof{
		treeProof("CommitDir, new", "/dir/site", nil, to("/dir/site")),
		treeProof("CommitDir, new parents", "/dir/x/y/site", nil, to("/dir/x/y/site")),
		treeProof("CommitDir, replacing", "/dir/site", oldTree, to("/dir/site")),
		treeProof("CommitDir, replacing elsewhere", "/dir/x/site", oldTree, to("/dir/x/site")),
	}
}

// sweepProof is the proof of a Sweep that is interrupted, and made again.
func sweepProof() testfs.Proof {
	kept := map[string]testfs.State{}
	for _, name := range []string{
		"file", ".tmp-short", ".tmp-" + strings.Repeat("A", 26), "x.tmp-" + strings.Repeat("a", 26), "deep/.tmp-" + strings.Repeat("a", 26),
	} {
		kept["/dir/"+name] = testfs.As([]byte(name), 0o644)
	}
	var litter []string
	for _, r := range []string{"a", "b", "c"} {
		litter = append(litter, "/dir/.tmp-"+strings.Repeat(r, 26))
	}
	known := func(name string) bool {
		_, ok := kept[name]
		return ok || slices.Contains(litter, name) || name == "/dir/deep" || name == "/dir/.tmp-"+strings.Repeat("d", 26)
	}
	sweep := func(fsys afero.Fs) error {
		_, err := atomicfs.Sweep(context.Background(), fsys, "/dir", 1)
		return err
	}
	whole := func(disk *testfs.CrashFs) error {
		for name, state := range kept {
			if _, err := disk.Which(name, state); err != nil {
				return err
			}
		}
		return disk.Strangers("/dir", known)
	}
	return testfs.Proof{
		Name: "Sweep",
		Before: func(fsys afero.Fs) error {
			if err := fsys.MkdirAll("/dir/deep", 0o755); err != nil {
				return err
			}
			if err := fsys.Mkdir("/dir/.tmp-"+strings.Repeat("d", 26), 0o755); err != nil {
				return err
			}
			for _, name := range litter {
				if err := afero.WriteFile(fsys, name, []byte("half"), 0o600); err != nil {
					return err
				}
			}
			for name, state := range kept {
				if err := afero.WriteFile(fsys, name, state.Data, state.Mode); err != nil {
					return err
				}
			}
			return nil
		},
		Act: sweep,
		Holds: func(disk *testfs.CrashFs, s testfs.Seen) error {
			if err := whole(disk); err != nil {
				return err
			}
			if s.Ended && !s.Cut && s.Err == nil {
				for _, name := range litter {
					if _, err := disk.Stat(name); err == nil {
						return fmt.Errorf("%s is left", name)
					}
				}
			}
			// Cut in the middle or not, the next one finishes.
			if err := sweep(disk); err != nil {
				return fmt.Errorf("the next sweep: %w", err)
			}
			for _, name := range litter {
				if _, err := disk.Stat(name); err == nil {
					return fmt.Errorf("the next sweep leaves %s", name)
				}
			}
			return whole(disk)
		},
	}
}
