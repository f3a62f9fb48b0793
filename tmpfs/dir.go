package tmpfs

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/internal/vfs"
)

// A Dir is a temporary directory, and the Fs rooted in it: paths cannot leave
// it. Close removes it and everything in it.
//
// On the operating system the Fs is a rootfs.Fs, which goes with the directory
// and which no link leaves. Elsewhere it keeps to the same rules by looking.
type Dir struct {
	afero.Fs
	v   vfs.FS
	sub *vfs.Sub

	mu     sync.Mutex
	path   string
	kept   bool
	closed bool
}

// Mkdir creates a temporary directory. (Python: TemporaryDirectory)
//
// When it returns an error, nothing has been made.
func Mkdir(fsys afero.Fs, opts *Options) (*Dir, error) {
	v, o, err := prepare("mkdirtemp", fsys, opts, 0o700)
	if err != nil {
		return nil, err
	}
	path, err := mkdir(v, o)
	if err != nil {
		return nil, err
	}
	sub, err := v.Sub(path)
	if err != nil {
		err = &fs.PathError{Op: "mkdirtemp", Path: filepath.Join(o.Dir, o.Pattern), Err: vfs.Reason(err)}
		return nil, errors.Join(err, v.Remove(path))
	}
	return &Dir{Fs: sub, v: v, sub: sub, path: path}, nil
}

// Path returns the path of the directory on the Fs that it was created on.
func (d *Dir) Path() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.path
}

// Keep renames the directory to name, which must not exist. Keep(d.Path())
// keeps it where it is.
//
// If Keep fails, the directory is still temporary. A Dir that was kept is still
// the Fs rooted in the directory, until Close.
func (d *Dir) Keep(name string) error {
	clean, err := d.v.Clean("keep", name)
	if err != nil {
		return err
	}
	if clean == d.Path() {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.keep(clean, func() error {
			_, err := d.v.Lstat(clean) // somebody else may have removed it
			return err
		})
	}
	to, err := d.v.Pin(clean, false)
	if err != nil {
		return &fs.PathError{Op: "keep", Path: clean, Err: vfs.Reason(err)}
	}
	defer func() { _ = to.Close() }()
	return d.KeepAt(to)
}

// KeepAt is Keep at a place that is held open, or, if to is nil, where it is,
// without a look whether it is there. It is for the other packages of this module.
func (d *Dir) KeepAt(to *vfs.Place) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if to == nil {
		return d.keep(d.path, func() error { return nil })
	}
	return d.keep(to.User, func() error { return d.v.RenameNew(d.path, to) })
}

func (d *Dir) keep(name string, rename func() error) error {
	err := fs.ErrClosed
	if !d.kept && !d.closed {
		err = rename()
	}
	if err != nil {
		return &fs.PathError{Op: "keep", Path: name, Err: vfs.Reason(err)}
	}
	if name != d.path {
		d.path = name
		d.sub.Moved(name)
	}
	d.kept = true
	return nil
}

// Close removes the directory and everything in it; after Keep it does
// nothing. After a failure it may be tried again.
//
// The error lists every path that is left. A second Close returns nil. After
// Close the Dir is not an Fs any more, also where the directory was kept.
func (d *Dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	// First, because an open directory cannot be removed on Windows.
	err := d.sub.Close()
	if !d.kept {
		if rerr := d.v.RemoveAll(d.path); rerr != nil {
			return errors.Join(err, rerr)
		}
	}
	d.closed = true
	return err
}

// Beneath is for the other packages of this module.
func (d *Dir) Beneath(vfs.Sealed) afero.Fs { return d.sub }

// LstatIfPossible implements afero.Lstater; the bool says whether links are known.
func (d *Dir) LstatIfPossible(name string) (fs.FileInfo, bool, error) {
	return d.sub.LstatIfPossible(name)
}

// SymlinkIfPossible implements afero.Linker.
func (d *Dir) SymlinkIfPossible(oldname, newname string) error {
	return d.sub.SymlinkIfPossible(oldname, newname)
}

// ReadlinkIfPossible implements afero.LinkReader.
func (d *Dir) ReadlinkIfPossible(name string) (string, error) {
	return d.sub.ReadlinkIfPossible(name)
}
