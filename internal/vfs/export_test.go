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

// LosingAnswers lets an exchange take place, or not, and says EIO of it, until the
// test ends.
func LosingAnswers(t *testing.T, done bool) {
	t.Cleanup(func() { sysRename = renameAt })
	sysRename = func(fromDir *os.File, from string, toDir *os.File, to string, flags uint) error {
		if flags != exchange || !done {
			return syscall.EIO
		}
		if err := renameAt(fromDir, from, toDir, to, flags); err != nil {
			return err
		}
		return syscall.EIO
	}
}

// WithoutLinks takes hard links away until the test ends.
func WithoutLinks(t *testing.T) {
	t.Cleanup(func() { sysLink = linkAt })
	sysLink = func(*os.File, string, *os.File, string) error { return syscall.EPERM }
}
