//go:build !linux

package vfs

import (
	"os"
	"runtime"
)

// StartWriteOut does nothing here: the disk begins when it likes.
func StartWriteOut(*os.File) {}

// apart cannot tell here.
func apart(_, _ *os.File) bool { return false }

// KernelCopies reports whether (*os.File).ReadFrom lets the kernel copy.
func KernelCopies(_, _ *os.File) bool { return runtime.GOOS == "freebsd" }
