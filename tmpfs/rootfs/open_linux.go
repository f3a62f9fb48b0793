package rootfs

import (
	"os"
	"strings"
	"syscall"
)

// openAnew makes a regular file in the root itself, in one system call. That of
// os.Root adds five by which it finds out that the poller does not take the file.
// It reports false if the call is not one of these. It follows no link.
func openAnew(dir func() (*os.File, error), rel string, flag int, perm os.FileMode) (*os.File, bool, error) {
	const anew, tmpfile = os.O_CREATE | os.O_EXCL, 0x400000 | syscall.O_DIRECTORY
	if flag&anew != anew && flag&tmpfile != tmpfile || strings.Contains(rel, "/") || rel == ".." {
		return nil, false, nil
	}
	if flag&tmpfile == tmpfile {
		// With O_EXCL the system follows no link; of a directory for such a file it would.
		flag |= syscall.O_NOFOLLOW
	}
	d, err := dir()
	if err != nil {
		return nil, false, nil // the caller tries by the root, and hears what is wrong
	}
	conn, err := d.SyscallConn()
	if err != nil {
		return nil, false, nil // the same
	}
	fd := -1
	// Within Control the directory stays open, whoever closes it meanwhile.
	cerr := conn.Control(func(at uintptr) {
		for {
			fd, err = syscall.Openat(int(at), rel, flag|syscall.O_CLOEXEC, uint32(perm))
			if err != syscall.EINTR { //nolint:errorlint // a bare errno
				return
			}
		}
	})
	switch {
	case cerr != nil, flag&syscall.O_NOFOLLOW != 0 && (err == syscall.ENOTDIR || err == syscall.ELOOP): //nolint:errorlint // a bare errno
		return nil, false, nil // the same, and it follows those links that stay within
	case err != nil:
		return nil, true, err
	}
	return os.NewFile(uintptr(fd), d.Name()+"/"+rel), true, nil
}

// openDir opens the directory dir of the operating system. The caller closes it.
// An error is no more than a reason to go another way.
func openDir(dir string) (*os.File, error) {
	fd, err := syscall.Open(dir, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), dir), nil
}
