package atomicfs_test

import (
	"io/fs"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/spf13/afero"
)

const (
	ebadf        = syscall.EBADF
	enotdir      = syscall.ENOTDIR
	eisdir       = syscall.EISDIR
	enospc       = syscall.ENOSPC
	eperm        = syscall.EPERM
	einval       = syscall.EINVAL
	enosys       = syscall.ENOSYS
	enotsup      = syscall.ENOTSUP
	enametoolong = syscall.ENAMETOOLONG
	eloop        = syscall.ELOOP
	eio          = syscall.EIO
	enotempty    = syscall.ENOTEMPTY
)

// canChown reports whether this process may give a file away, and has somebody to
// give it to.
func canChown(t *testing.T) bool {
	t.Helper()
	return runtime.GOOS != "windows" && os.Geteuid() == 0
}

// inMemory lets the temporary directories of the test be in a file system in
// memory, if there is one: for tests that sync thousands of times, to see what is
// asked of the disk and not what the disk does.
func inMemory(t *testing.T) {
	t.Helper()
	if dir, err := os.MkdirTemp("/dev/shm", "probe-*"); err == nil {
		_ = os.Remove(dir)
		t.Setenv("TMPDIR", "/dev/shm")
	}
}

// mode returns the permissions of the file name, 0 if there is none.
func mode(fsys afero.Fs, name string) fs.FileMode {
	info, err := fsys.Stat(name)
	if err != nil {
		return 0
	}
	return info.Mode().Perm()
}

// race calls fn n times at once, and returns when all have returned.
func race(n int, fn func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			fn(i)
		})
	}
	close(start)
	wg.Wait()
}
