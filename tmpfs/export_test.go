package tmpfs

import "testing"

// SetRandom lets next make the random part of names, until the test ends: a
// collision of 128 bits cannot be waited for.
func SetRandom(t testing.TB, next func() string) {
	before := random
	random = next
	t.Cleanup(func() { random = before })
}

// Random returns the random part of a name.
func Random() string { return random() }

// WithoutSticky makes the sticky bit mean nothing until the test ends, as on Windows.
func WithoutSticky(t testing.TB) {
	before := sticky
	sticky = false
	t.Cleanup(func() { sticky = before })
}

// SetSystemDirs replaces the candidates that do not come from the environment,
// until the test ends: those of the system are usable as a rule.
func SetSystemDirs(t testing.TB, dirs ...string) {
	before := systemDirs
	systemDirs = dirs
	t.Cleanup(func() { systemDirs = before; probed.Store(nil) })
}
