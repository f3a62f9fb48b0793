package vfs

import (
	"os"
	"syscall"
	"testing"
)

// WithoutRenameFlags takes RENAME_NOREPLACE and the like away until the test ends.
func WithoutRenameFlags(t *testing.T) {
	t.Cleanup(func() { sysRename = renameAt })
	sysRename = func(fromDir *os.File, from string, toDir *os.File, to string, flags uint) error {
		if flags != 0 {
			return syscall.EINVAL
		}
		return renameAt(fromDir, from, toDir, to, 0)
	}
}

// WithoutLinks takes hard links away until the test ends.
func WithoutLinks(t *testing.T) {
	t.Cleanup(func() { sysLink = linkAt })
	sysLink = func(*os.File, string, *os.File, string) error { return syscall.EPERM }
}
