//go:build linux

package powercut_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// contents returns version of the file name, which is like no other version and
// no other file, as far as size bytes can be.
func contents(name string, version, size int) []byte {
	var seed [32]byte
	copy(seed[:], fmt.Sprintf("%d %s", version, name))
	b := make([]byte, size)
	_, _ = rand.NewChaCha8(seed).Read(b) // never fails
	if size > 0 {
		b[0] = byte(version)
	}
	return b
}

// A file is one that a workload writes, in versions 1, 2, 3 and so on.
type file struct {
	name string // relative to the scenario's directory
	size int    // of each version
	last int    // version
	old  bool   // version 0 is there before
	mode fs.FileMode
}

// version returns the contents of a version.
func (f file) version(v int) []byte { return contents(f.name, v, f.size) }

// verify returns an error unless the file is in dir as it was promised: that
// version of it or a later one, whole, with its mode.
func (f file) verify(dir string, promised int) error {
	name := filepath.Join(dir, f.name)
	got, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && promised > 0:
		return fmt.Errorf("lost, though promised: %s version %d", f.name, promised)
	case errors.Is(err, fs.ErrNotExist) && f.old:
		return fmt.Errorf("lost, old and new: %s", f.name)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("unreadable: %w", err)
	}
	if err := f.whole(got, promised); err != nil {
		return err
	}
	info, err := os.Lstat(name)
	if err != nil {
		return fmt.Errorf("unreadable: %w", err)
	}
	if info.Mode() != f.mode {
		return fmt.Errorf("mode: %s has %v and not %v", f.name, info.Mode(), f.mode)
	}
	return nil
}

// whole returns an error unless got is a version of the file, and no older one
// than promised.
func (f file) whole(got []byte, promised int) error {
	first := 1
	if f.old {
		first = 0
	}
	for v := f.last; v >= first; v-- {
		switch {
		case !bytes.Equal(got, f.version(v)):
		case v < promised:
			if f.size > 0 {
				return fmt.Errorf("older than promised: %s has version %d and not %d", f.name, v, promised)
			}
			return nil
		default:
			return nil
		}
	}
	switch {
	case len(got) == 0:
		return fmt.Errorf("empty: %s of %d bytes", f.name, f.size)
	case len(bytes.Trim(got, "\x00")) == 0:
		return fmt.Errorf("zeros: %s has %d of them", f.name, len(got))
	}
	return fmt.Errorf("torn: %s has %d of %d bytes, which are no version", f.name, len(got), f.size)
}

// owns reports whether name is the file.
func (f file) owns(name string, isDir bool) bool { return name == f.name && !isDir }

func (f file) String() string { return f.name }
