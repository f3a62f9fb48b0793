package vfs

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// ChmodAtWithout is chmodAt where the system says refusal of its call.
func ChmodAtWithout(t *testing.T, refusal error, dir *os.File, name string, mode uint32) error {
	t.Cleanup(func() { fchmodat = unix.Fchmodat })
	fchmodat = func(int, string, uint32, int) error { return refusal }
	return chmodAt(dir, name, mode)
}
