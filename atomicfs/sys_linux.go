package atomicfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// canBeUnnamed: some file systems here have files that get their name later. It
// is a variable for the tests of what is done elsewhere.
var canBeUnnamed = true

// startWriteOut lets the disk begin with what has been written to f. It waits for
// nothing and promises nothing: errors are for the sync to tell.
func startWriteOut(f *os.File) {
	_ = unix.SyncFileRange(int(f.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE)
}
