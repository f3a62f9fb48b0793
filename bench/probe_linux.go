package main

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// thisSystem is Linux, where each of these is one call. An error is that of the
// call, with its name.
var thisSystem = &system{
	rename: os.Rename,
	exchange: func(a, b string) error {
		return called("renameat2", unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE))
	},
	renameTo: func(from, to string) error {
		return called("renameat2", unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE))
	},
	unnamed: func(dir string) error {
		fd, err := unix.Open(dir, unix.O_RDWR|unix.O_TMPFILE|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return called("open", err)
		}
		f := os.NewFile(uintptr(fd), "unnamed")
		defer f.Close()
		from := fmt.Sprintf("/proc/self/fd/%d", fd)
		return called("linkat", unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, filepath.Join(dir, "named"), unix.AT_SYMLINK_FOLLOW))
	},
	clone: func(dst, src *os.File) error {
		return called("ioctl FICLONE", unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())))
	},
	lock: func(f *os.File) error {
		return called("flock", unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB))
	},
	inMemory: func(dir string) (bool, error) {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			return false, called("statfs", err)
		}
		return uint32(st.Type) == unix.TMPFS_MAGIC || uint32(st.Type) == unix.RAMFS_MAGIC, nil
	},
}

func called(call string, err error) error { return os.NewSyscallError(call, err) }
