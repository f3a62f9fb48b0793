package vfs

import (
	"errors"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	noReplace   = unix.RENAME_NOREPLACE
	exchange    = unix.RENAME_EXCHANGE
	unnamedFlag = unix.O_TMPFILE
)

func renameAt(fromDir *os.File, from string, toDir *os.File, to string, flags uint) error {
	return again(func() error {
		// Without flags the call that every file system has.
		if flags == 0 {
			return unix.Renameat(fd(fromDir), from, fd(toDir), to)
		}
		return unix.Renameat2(fd(fromDir), from, fd(toDir), to, flags)
	})
}

// linkUnnamed links by the descriptor, which is quick but needs a privilege on
// older kernels, and else by /proc, which anybody may. What is forbidden is also
// errors.ErrUnsupported, because a sandbox may let nobody link.
func linkUnnamed(f, dir *os.File, name string) error {
	err := again(func() error { return unix.Linkat(int(f.Fd()), "", fd(dir), name, unix.AT_EMPTY_PATH) })
	if err == unix.ENOENT { //nolint:errorlint // a bare errno
		err = again(func() error {
			return unix.Linkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(int(f.Fd())), fd(dir), name, unix.AT_SYMLINK_FOLLOW)
		})
	}
	var st unix.Stat_t
	if errors.Is(err, unix.ENOENT) && (dir == nil || unix.Fstat(fd(dir), &st) != nil || st.Nlink > 0) {
		return unix.EOPNOTSUPP // it is not the directory that is gone
	}
	if errors.Is(err, fs.ErrPermission) {
		return &forbidden{err}
	}
	return err
}

// forbidden is a system call that may not be made here, perhaps not at all.
type forbidden struct{ error }

func (f *forbidden) Unwrap() []error { return []error{f.error, errors.ErrUnsupported} }

// fchmodat is what tests take away: older kernels know no such call.
var fchmodat = unix.Fchmodat

// chmodAt changes the mode of name itself. A link has none to change: the error
// is then EOPNOTSUPP.
func chmodAt(dir *os.File, name string, mode uint32) error {
	err := again(func() error { return fchmodat(fd(dir), name, mode, unix.AT_SYMLINK_NOFOLLOW) })
	// EPERM is also what older sandboxes say of a call that they do not know.
	if err != unix.EOPNOTSUPP && err != unix.EPERM { //nolint:errorlint // a bare errno
		return err
	}
	// Before Linux 6.6 the C library's way: a descriptor that cannot be diverted any more.
	path, err := unix.Openat(fd(dir), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(path) }()
	var st unix.Stat_t
	if err := unix.Fstat(path, &st); err != nil || st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return unix.EOPNOTSUPP
	}
	return unix.Chmod("/proc/self/fd/"+strconv.Itoa(path), mode)
}

// StartWriteOut lets the disk begin with what has been written to f. It waits for
// nothing and promises nothing: errors are for the sync to tell.
func StartWriteOut(f *os.File) {
	_ = unix.SyncFileRange(int(f.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE)
}

// apart reports whether two open files are on different file systems, by their IDs. The
// device numbers would not do: below an overlay that of a file differs from that of
// its directory.
func apart(a, b *os.File) bool {
	var here, there unix.Statfs_t
	return unix.Fstatfs(int(a.Fd()), &here) == nil && unix.Fstatfs(int(b.Fd()), &there) == nil && here.Fsid != there.Fsid
}

// KernelCopies reports whether the kernel copies from the offset of src to that of
// dst, which is what (*os.File).ReadFrom would have it do. Between two volumes most
// kernels do not, and package os goes on in small pieces then. It is found out by a
// copy of nothing.
func KernelCopies(dst, src *os.File) bool {
	_, err := unix.CopyFileRange(int(src.Fd()), nil, int(dst.Fd()), nil, 0, 0)
	return err == nil
}
