package testfs

import (
	"os"
	"testing"
)

// Long reports whether the instruments are to run at their full sizes, which is
// said by $TEMPKIT_LONG.
func Long() bool { return os.Getenv("TEMPKIT_LONG") != "" }

// Size returns how much an instrument is to try: long if that is asked for, a
// tenth of usual with -short and under the race detector, which makes everything
// slow, and else usual.
func Size(usual, long int) int {
	switch {
	case Long():
		return long
	case testing.Short() || underRace:
		return max(usual/10, 1)
	}
	return usual
}

// RootTests reports whether the tests are to run that need root, or programs that
// not every system has, which is said by $TEMPKIT_ROOT_TESTS. What one of them
// then lacks is a failure.
func RootTests() bool { return os.Getenv("TEMPKIT_ROOT_TESTS") != "" }

// NeedRoot skips a test that needs root, unless $TEMPKIT_ROOT_TESTS asks for it. A
// process that is asked for it and is not root fails.
func NeedRoot(t testing.TB) {
	t.Helper()
	if !RootTests() {
		t.Skip("needs root, and TEMPKIT_ROOT_TESTS=1")
	}
	if os.Geteuid() != 0 {
		t.Fatal("TEMPKIT_ROOT_TESTS is set, and this process is not root")
	}
}
