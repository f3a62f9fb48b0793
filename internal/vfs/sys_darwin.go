package vfs

import (
	"os"

	"golang.org/x/sys/unix"
)

const (
	noReplace   = unix.RENAME_EXCL
	exchange    = unix.RENAME_SWAP
	unnamedFlag = 0
)

func renameAt(fromDir *os.File, from string, toDir *os.File, to string, flags uint) error {
	return again(func() error {
		if flags == 0 {
			return unix.Renameat(fd(fromDir), from, fd(toDir), to)
		}
		// The plain call takes no flags.
		return unix.RenameatxNp(fd(fromDir), from, fd(toDir), to, uint32(flags))
	})
}

// linkUnnamed fails: no file without a name can be made here.
func linkUnnamed(_, _ *os.File, _ string) error { return unix.ENOTSUP }

func chmodAt(dir *os.File, name string, mode uint32) error {
	return again(func() error { return unix.Fchmodat(fd(dir), name, mode, unix.AT_SYMLINK_NOFOLLOW) })
}
