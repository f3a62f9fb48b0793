package tmpfs

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/internal/vfs"
)

// RemoveAll removes name and all below it, also where directories are
// read-only, never following a link out of the tree. It refuses "", ".", "/"
// and the temporary directory itself. The error lists every path that is left.
//
// It returns nil if name does not exist. Only directories within the tree are
// made writable, and only when they refuse; other devices are not entered. What
// refuses for a moment (a file that another process is looking into, a
// directory that is being written to) is tried again for up to two seconds.
func RemoveAll(fsys afero.Fs, name string) error {
	v := vfs.On(fsys)
	clean, err := v.Clean("removeall", name)
	if err != nil {
		return err
	}
	if isTempDir(fsys, v, clean) {
		return &fs.PathError{Op: "removeall", Path: name, Err: errTempDir}
	}
	return v.RemoveAll(name)
}

// isTempDir reports whether name may be where fsys keeps its temporaries. It
// makes nothing, and takes any candidate for it.
func isTempDir(fsys afero.Fs, v vfs.FS, name string) bool {
	dir, chosen := chosenDir(fsys)
	dirs := []string{dir}
	if !chosen && v.IsOS() {
		dirs = candidates()
	}
	info, err := v.Lstat(name)
	for _, dir := range dirs {
		clean, cerr := v.Clean("removeall", dir)
		if cerr == nil && filepath.Join("/", clean) == filepath.Join("/", name) {
			return true
		}
		if temp, terr := v.Stat(dir); err == nil && terr == nil && os.SameFile(info, temp) {
			return true
		}
	}
	return false
}
