package vfs

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// openFile is os.OpenFile. What is made anew is a regular file, which the poller
// does not take: os.OpenFile makes five system calls to find that out. The caller
// closes it; an error is a bare errno or that of os.OpenFile.
func openFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	const anew = os.O_CREATE | os.O_EXCL
	// Whatever else is there may be a pipe or a terminal, and a mode with special
	// bits is package os's to translate.
	if flag&anew != anew && flag&unnamedFlag != unnamedFlag || perm != perm.Perm() {
		return os.OpenFile(name, flag, perm)
	}
	var n int
	err := again(func() (err error) {
		n, err = unix.Open(name, flag|unix.O_CLOEXEC, uint32(perm))
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(n), name), nil
}
