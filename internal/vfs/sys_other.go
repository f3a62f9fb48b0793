//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package vfs

import (
	"errors"
	"os"
	"syscall"
)

const (
	noReplace   = 1
	exchange    = 2
	NonBlock    = 0
	openRenames = false
)

func renameAt(fromDir *os.File, from string, toDir *os.File, to string, flags uint) error {
	if flags != 0 {
		return errors.ErrUnsupported
	}
	return os.Rename(in(fromDir, from), in(toDir, to))
}

// tryLock fails: a sweep goes by age here.
func tryLock(*os.File) (bool, error) { return false, errors.ErrUnsupported }

// busy is false: nothing is known to pass by itself.
func busy(error) bool { return false }

func noDirSync(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported)
}
