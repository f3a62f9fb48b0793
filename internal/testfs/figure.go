package testfs

import (
	"fmt"
	"os"
	"testing"
)

// Figure puts on record that an instrument tried so many cases, of which so many
// were bad, and fails the test if any were or if there were fewer than least: an
// instrument that tries nothing finds nothing.
//
// The figure is logged, and appended as a line of three fields, apart by tabs, to
// the file that $TEMPKIT_FIGURES names, if it names one, so that a run of the whole
// suite can end with a table.
func Figure(t testing.TB, instrument string, cases, least, bad int) {
	t.Helper()
	t.Logf("%s: %d cases, %d bad", instrument, cases, bad)
	if bad > 0 || cases < least {
		t.Errorf("%s: %d cases, at least %d wanted; %d bad, none wanted", instrument, cases, least, bad)
	}
	path := os.Getenv("TEMPKIT_FIGURES")
	if path == "" {
		return
	}
	// One write of one short line: those of other processes do not come in between.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666) //nolint:gosec // named by whoever runs the tests
	if err == nil {
		_, err = fmt.Fprintf(f, "%s\t%d\t%d\n", instrument, cases, bad)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Errorf("the figure of %s: %v", instrument, err)
	}
}
