//go:build dragonfly || freebsd || netbsd || openbsd

package vfs

import (
	"os"

	"golang.org/x/sys/unix"
)

const (
	noReplace   = 1 // no such flags here: renameAt refuses them
	exchange    = 2
	unnamedFlag = 0
)

func renameAt(fromDir *os.File, from string, toDir *os.File, to string, flags uint) error {
	if flags != 0 {
		return unix.ENOTSUP
	}
	return again(func() error { return unix.Renameat(fd(fromDir), from, fd(toDir), to) })
}

// linkUnnamed fails: no file without a name can be made here.
func linkUnnamed(_, _ *os.File, _ string) error { return unix.ENOTSUP }

func chmodAt(dir *os.File, name string, mode uint32) error {
	return again(func() error { return unix.Fchmodat(fd(dir), name, mode, unix.AT_SYMLINK_NOFOLLOW) })
}
