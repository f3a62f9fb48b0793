//go:build linux

package powercut_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A tree is a directory that a workload puts in place as a whole.
type tree struct {
	name string
	last int  // version
	old  bool // version 0 is there before
}

func (t tree) String() string { return t.name }

func (t tree) owns(name string, _ bool) bool {
	return name == t.name || strings.HasPrefix(name, t.name+"/")
}

// files are those of a tree of that version: each has one that is its own.
func (t tree) files(version int) []file {
	var files []file
	for i, size := range sizes {
		name := filepath.Join([]string{"", "b", "b/c"}[i%3], fmt.Sprint(size))
		files = append(files, file{name: name, size: size, mode: 0o640})
	}
	return append(files, file{name: fmt.Sprint("only-", version), size: 10, mode: 0o600})
}

// write writes a version of the tree into dir.
func (t tree) write(dir string, version int) error {
	if err := os.MkdirAll(filepath.Join(dir, "b/c"), 0o755); err != nil {
		return err
	}
	for _, f := range t.files(version) {
		if err := os.WriteFile(filepath.Join(dir, f.name), f.version(version), f.mode); err != nil {
			return err
		}
	}
	return os.Mkdir(filepath.Join(dir, "empty"), 0o700)
}

func (t tree) verify(dir string, promised int) error {
	top := filepath.Join(dir, t.name)
	got, err := listing(top)
	switch {
	case errors.Is(err, fs.ErrNotExist) && promised > 0:
		return fmt.Errorf("lost, though promised: %s version %d", t, promised)
	case errors.Is(err, fs.ErrNotExist) && t.old:
		return fmt.Errorf("lost, old and new: %s", t)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("unreadable: %w", err)
	}
	// Its own file says what version it wants to be.
	for v := range t.last + 1 {
		if !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, fmt.Sprintf("only-%d ", v)) }) {
			continue
		}
		if v < promised {
			return fmt.Errorf("older than promised: %s has version %d and not %d", t, v, promised)
		}
		return t.is(top, v, got)
	}
	return fmt.Errorf("torn: %s is no version: %s", t, strings.Join(got, ", "))
}

// is returns an error unless what is at top is that version of the tree.
func (t tree) is(top string, version int, got []string) error {
	want := []string{"b drwxr-xr-x", "b/c drwxr-xr-x", "empty drwx------"}
	for _, f := range t.files(version) {
		want = append(want, f.name+" "+f.mode.String())
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("torn: %s has %q and not %q", t, got, want)
	}
	for _, f := range t.files(version) {
		data, err := os.ReadFile(filepath.Join(top, f.name))
		if err != nil {
			return fmt.Errorf("unreadable: %w", err)
		}
		f.last, f.old = version, true
		if err := f.whole(data, version); err != nil {
			return fmt.Errorf("in a tree, %w", err)
		}
	}
	return nil
}

// listing returns the names below dir, each with its mode.
func listing(dir string) (list []string, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		list = append(list, strings.TrimPrefix(path, dir+"/")+" "+info.Mode().String())
		return nil
	})
	slices.Sort(list)
	return list, err
}
