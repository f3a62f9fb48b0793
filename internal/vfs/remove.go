package vfs

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// Remove removes the file, the link or the empty directory name. The root is
// refused. When it returns nil the name is gone.
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
		err = patiently(func() error { return os.Remove(clean) })
	case rootedKind:
		_, err = rooted(v, func(r *rootfs.Fs) (struct{}, error) {
			return struct{}{}, patiently(func() error { return r.Remove(v.at(clean)) })
		})
	default:
		err = v.remove(clean)
	}
	return fail("remove", clean, err)
}

// remove is Remove on an Fs that may take a directory and orphan what is in it.
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

// gone reports what came of a removal that returned err.
func (v FS) gone(name string, err error) error {
	_, lookErr := v.look(name)
	switch {
	case errors.Is(lookErr, fs.ErrNotExist):
		return nil // also if the call said otherwise
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case lookErr != nil:
		return nil // a look that failed says nothing against it
	}
	return &refusal{"still there: this file system does not remove it", fs.ErrPermission}
}

// list returns all names in a directory of an Fs that is not the operating system's.
func (v FS) list(dir string) ([]string, error) {
	f, err := v.fsys.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	_ = f.Close()
	return names, err
}

// patience is how long a refusal that may pass by itself is borne.
const patience = 2 * time.Second

// patiently repeats fn as long as what refuses it may pass: on Windows, another
// process that looks into the file.
func patiently(fn func() error) error {
	err := fn()
	if err == nil || OpenRenames || !busy(Reason(err)) {
		return err
	}
	for wait, end := time.Millisecond, time.Now().Add(patience); time.Now().Before(end); wait *= 2 {
		time.Sleep(wait)
		if err = fn(); err == nil || !busy(Reason(err)) {
			return err
		}
	}
	return err
}
