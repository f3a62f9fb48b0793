package testfs

import (
	"os"
	"syscall"
	"testing"
)

// Mount mounts a file system at target until the test ends: a small tmpfs, say, to be
// filled. The test is skipped where that cannot be, as root of a container may not
// either; where $TEMPKIT_ROOT_TESTS asks for it, it fails.
func Mount(t testing.TB, source, target, fstype string, flags uintptr, data string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	if err := syscall.Mount(source, target, fstype, flags, data); err != nil {
		if RootTests() {
			t.Fatal("TEMPKIT_ROOT_TESTS is set, and nothing can be mounted: ", err)
		}
		t.Skip("nothing can be mounted: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(target, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}
