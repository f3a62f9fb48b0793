//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package atomicfs

import (
	"errors"
	"os"
)

func tryLockDir(*os.File, bool) (bool, error) { return false, errors.ErrUnsupported }

func unlockDir(*os.File) {}
