//go:build !linux

package rootfs

import (
	"errors"
	"os"
)

// openAnew leaves it to os.Root.
func openAnew(func() (*os.File, error), string, int, os.FileMode) (*os.File, bool, error) {
	return nil, false, nil
}

// openDir leaves it to os.Root.
func openDir(string) (*os.File, error) { return nil, errors.ErrUnsupported }
