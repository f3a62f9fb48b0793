package vfs

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

const (
	noReplace   = 1
	exchange    = 2
	NonBlock    = 0
	openRenames = false // an open file can be neither renamed nor removed
)

func renameAt(fromDir *os.File, from string, toDir *os.File, to string, flags uint) error {
	// No call here swaps two names in one step.
	if flags == exchange {
		return errors.ErrUnsupported
	}
	old, err := windows.UTF16PtrFromString(in(fromDir, from))
	if err != nil {
		return err
	}
	name, err := windows.UTF16PtrFromString(in(toDir, to))
	if err != nil {
		return err
	}
	how := uint32(windows.MOVEFILE_REPLACE_EXISTING)
	if flags == noReplace {
		how = 0
	}
	// Written through, because a directory cannot be synced here.
	return windows.MoveFileEx(old, name, how|windows.MOVEFILE_WRITE_THROUGH)
}

func tryLock(f *os.File) (bool, error) {
	const how = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	// Past any contents: a lock on Windows keeps others from the bytes it covers.
	at := windows.Overlapped{OffsetHigh: 1 << 30}
	err := windows.LockFileEx(windows.Handle(f.Fd()), how, 0, 1, 0, &at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	return err == nil, err
}

func busy(err error) bool {
	// ACCESS_DENIED is also what is said of a file that was removed and that
	// somebody still has open.
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED) ||
		errors.Is(err, windows.ERROR_DIR_NOT_EMPTY) || errors.Is(err, windows.ERROR_LOCK_VIOLATION)
}

// noDirSync: a directory is opened without the right that FlushFileBuffers needs.
func noDirSync(err error) bool {
	return errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_INVALID_HANDLE) ||
		errors.Is(err, windows.ERROR_INVALID_FUNCTION)
}
