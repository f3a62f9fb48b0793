package vfs

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// ChmodAtBefore66 is chmodAt on a Linux before 6.6.
func ChmodAtBefore66(t *testing.T, dir *os.File, name string, mode uint32) error {
	t.Cleanup(func() { fchmodat = unix.Fchmodat })
	fchmodat = func(int, string, uint32, int) error { return unix.EOPNOTSUPP }
	return chmodAt(dir, name, mode)
}
