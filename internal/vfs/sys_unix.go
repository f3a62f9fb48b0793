//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package vfs

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// openRenames is whether an open file can be renamed and removed.
const openRenames = true

// NonBlock is the flag with which opening a FIFO waits for nobody, if there is one.
const NonBlock = unix.O_NONBLOCK

// fd returns the descriptor of dir, or the one that means the working directory,
// which an absolute path does not use.
func fd(dir *os.File) int {
	if dir == nil {
		return unix.AT_FDCWD
	}
	return int(dir.Fd())
}

// again repeats a call that a signal interrupted.
func again(call func() error) error {
	for {
		if err := call(); err != unix.EINTR { //nolint:errorlint // a bare errno
			return err
		}
	}
}

func linkAt(fromDir *os.File, from string, toDir *os.File, to string) error {
	return again(func() error { return unix.Linkat(fd(fromDir), from, fd(toDir), to, 0) })
}

// duplicate returns another descriptor of the open file f.
func duplicate(f *os.File) (*os.File, error) {
	n, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(n), f.Name()), nil
}

// tryLock does not wait. flock is the same for files and directories.
func tryLock(f *os.File) (bool, error) { return lockDir(f, true) }

// device returns the device that a file is on.
func device(info fs.FileInfo) (uint64, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return uint64(st.Dev), true //nolint:unconvert // its type differs by system
}

// owner returns the user and the group that a file belongs to.
func owner(info fs.FileInfo) (uid, gid int, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(st.Uid), int(st.Gid), true
}

// busy reports whether err may pass by itself. EEXIST is what some say of a
// directory that is not empty.
func busy(err error) bool {
	switch err { //nolint:errorlint // a bare errno
	case syscall.EBUSY, syscall.ENOTEMPTY, syscall.EEXIST, syscall.EINTR, syscall.ETXTBSY:
		return true
	}
	return false
}

// noDirSync reports whether err says that a directory cannot be synced at all.
func noDirSync(err error) bool {
	// EIO, ENOSPC and EDQUOT are not among them: those are the device's.
	return err == syscall.EINVAL || err == syscall.ENOTSUP || err == syscall.EOPNOTSUPP || err == syscall.ENOSYS //nolint:errorlint // a bare errno
}

// MaxOpen returns how many descriptors this process may have open.
func MaxOpen() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil || limit.Cur > 1<<20 { //nolint:gosec // its type differs by system
		return 1 << 20
	}
	return int(limit.Cur) //nolint:gosec // it was compared
}

func lockDir(dir *os.File, alone bool) (bool, error) {
	how := unix.LOCK_SH
	if alone {
		how = unix.LOCK_EX
	}
	err := again(func() error { return unix.Flock(int(dir.Fd()), how|unix.LOCK_NB) })
	if err == unix.EWOULDBLOCK { //nolint:errorlint // a bare errno
		return false, nil
	}
	return err == nil, err
}

func unlockDir(dir *os.File) { _ = unix.Flock(int(dir.Fd()), unix.LOCK_UN) }
