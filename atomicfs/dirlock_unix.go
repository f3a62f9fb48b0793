//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package atomicfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// tryLockDir locks an open directory, alone or among others, and reports false
// if somebody else's lock does not allow it.
func tryLockDir(dir *os.File, alone bool) (bool, error) {
	how := unix.LOCK_SH
	if alone {
		how = unix.LOCK_EX
	}
	err := unix.Flock(int(dir.Fd()), how|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

func unlockDir(dir *os.File) { _ = unix.Flock(int(dir.Fd()), unix.LOCK_UN) }
