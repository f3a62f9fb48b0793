//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const (
	noReplace   = 1
	exchange    = 2
	unnamedFlag = 0
	OpenRenames = false
)

func renameAt(fromDir *os.File, from string, toDir *os.File, to string, flags uint) error {
	if flags != 0 {
		return errors.ErrUnsupported
	}
	return os.Rename(in(fromDir, from), in(toDir, to))
}

func in(dir *os.File, name string) string {
	if dir == nil {
		return name
	}
	return filepath.Join(dir.Name(), name)
}

func linkAt(fromDir *os.File, from string, toDir *os.File, to string) error {
	return os.Link(in(fromDir, from), in(toDir, to))
}

func linkUnnamed(_, _ *os.File, _ string) error { return errors.ErrUnsupported }

func chmodAt(dir *os.File, name string, mode uint32) error {
	return os.Chmod(in(dir, name), fs.FileMode(mode))
}

func duplicate(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }

func tryLock(*os.File) (bool, error) { return false, errors.ErrUnsupported }

func device(fs.FileInfo) (uint64, bool) { return 0, false }

func owner(fs.FileInfo) (uid, gid int, ok bool) { return 0, 0, false }

func busy(error) bool { return false }

func noDirSync(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported)
}
