package rootfs

import "testing"

// ByRootAlone makes all calls by os.Root until the test ends, as on systems where
// there is no quicker way.
func ByRootAlone(t *testing.T) {
	t.Cleanup(func() { direct = true })
	direct = false
}
