package vfs

import "path/filepath"

// RealPath returns the path of name on the operating system, for a child process
// to use, and whether it has one. It is the path as it was made: links on the way
// to a base path are not resolved. Nothing says that anything is there, and
// nothing keeps the path from leading elsewhere later.
func (v FS) RealPath(name string) (string, bool) {
	clean, err := v.Clean("realpath", name)
	if err != nil || !v.OnDisk() {
		return "", false
	}
	abs, err := filepath.Abs(v.real(clean)) // an os.Root may have been opened by a relative path
	return abs, err == nil
}
