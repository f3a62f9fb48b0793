//go:build !linux

package testfs

import "testing"

// Mount skips the test.
func Mount(t testing.TB, _, _, _ string, _ uintptr, _ string) {
	t.Helper()
	t.Skip("mounting takes Linux")
}
