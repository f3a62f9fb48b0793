//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// unnamedFlag would ask for a file without a name, which there is none of here.
const unnamedFlag = 0

// in returns the path of name in dir; there are no calls relative to a handle.
func in(dir *os.File, name string) string {
	if dir == nil {
		return name
	}
	return filepath.Join(dir.Name(), name)
}

func linkAt(fromDir *os.File, from string, toDir *os.File, to string) error {
	return os.Link(in(fromDir, from), in(toDir, to))
}

// linkUnnamed fails: no file without a name can be made here.
func linkUnnamed(_, _ *os.File, _ string) error { return errors.ErrUnsupported }

// chmodAt follows a link that is put there meanwhile: there is no other call.
func chmodAt(dir *os.File, name string, mode uint32) error {
	return os.Chmod(in(dir, name), fs.FileMode(mode))
}

func duplicate(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }

// device is unknown: directories are entered whatever they are on.
func device(fs.FileInfo) (uint64, bool) { return 0, false }

func owner(fs.FileInfo) (uid, gid int, ok bool) { return 0, 0, false }

// MaxOpen returns how many descriptors this process may have open: more than it
// will need.
func MaxOpen() int { return 1 << 20 }

// lockDir fails: a directory cannot be locked here.
func lockDir(*os.File, bool) (bool, error) { return false, errors.ErrUnsupported }

func unlockDir(*os.File) {}
