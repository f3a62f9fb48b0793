package vfs

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// Remove removes the file, the link or the empty directory name. The root is
// refused. When it returns nil the name is gone. If something else is in the way,
// such as a file in the directory, nothing has changed.
func (v FS) Remove(name string) error {
	clean, err := v.Clean("remove", name)
	if err != nil {
		return err
	}
	if _, base := split(clean); base == "" {
		return fail("remove", clean, errIsRoot)
	}
	switch v.kind {
	case osKind:
		err = v.removing(clean, func() error { return os.Remove(clean) })
	case rootedKind:
		_, err = rooted(v, func(r *rootfs.Fs) (struct{}, error) {
			return struct{}{}, v.removing(clean, func() error { return r.Remove(v.at(clean)) })
		})
	default:
		err = v.remove(clean)
	}
	return fail("remove", clean, err)
}

// Gone reports whether err says that nothing has the name: it is missing, or what was
// a directory above it is a file by now.
func Gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// remove is Remove on an Fs that may take a directory and orphan what is in it.
// It takes the guard: in memory nothing is put into the directory between the
// look and the removal.
func (v FS) remove(name string) error {
	defer v.guard(name)()
	info, err := v.look(name)
	if err != nil {
		return v.missing(name, err)
	}
	if info.IsDir() {
		// MemMapFs removes a directory and leaves its files where no listing shows them.
		names, err := v.list(name)
		if err != nil {
			return err
		}
		if len(names) > 0 {
			return syscall.ENOTEMPTY
		}
	}
	return v.gone(name, v.fsys.Remove(name))
}

// gone reports what came of a removal that returned err. nil means that the name
// is free, or that nobody can say. The guard must be held, or another may have
// made it anew.
func (v FS) gone(name string, err error) error {
	_, lookErr := v.look(name)
	switch {
	case errors.Is(lookErr, fs.ErrNotExist):
		return nil // also if the call said otherwise
	// fs.ErrNotExist of what is there is a union's, whose layer has no such file.
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case lookErr != nil:
		return nil // a look that failed says nothing against it
	}
	// A CopyOnWriteFs whose base has the file, or an Fs that does nothing and
	// says nil.
	return &refusal{"still there: this file system does not remove it", fs.ErrPermission}
}

// list returns all names in a directory of an Fs that is not the operating
// system's. All at once, because a listing by pages skips names on MemMapFs when
// others are removed, and has no end on sftpfs.
func (v FS) list(dir string) ([]string, error) {
	f, err := v.fsys.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	// Read only: there is nothing that it could fail to write.
	_ = f.Close()
	return names, err
}
