package tmpfs

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/tempkit/tempkit/internal/vfs"
)

// Keep closes the file and renames it to name, replacing a file of that name.
// It is as atomic as the Fs's rename and not durable; see package atomicfs.
// Keep(f.Name()) keeps the file where it is. If Keep fails, the file is still
// temporary.
//
// A link of that name is replaced itself; a directory is not. An anonymous file
// is kept where the system can give it a name; elsewhere the error is
// errors.ErrUnsupported.
func (f *File) Keep(name string) error { return f.keep(name, false) }

// KeepNew is Keep, but fails with fs.ErrExist if name exists, leaving it
// untouched and the file temporary and open.
//
// Of several that try, one wins: between processes on Linux, and wherever there
// are hard links; elsewhere within this process.
func (f *File) KeepNew(name string) error { return f.keep(name, true) }

func (f *File) keep(name string, exclusive bool) error {
	clean, err := f.v.Clean("keep", name)
	if err != nil {
		return err
	}
	if clean == f.Name() && !exclusive {
		return f.keepHere(clean)
	}
	to, err := f.v.Pin(clean, false)
	if err != nil {
		return f.fail(clean, err)
	}
	defer func() { _ = to.Close() }()
	return f.KeepAt(to, exclusive)
}

// keepHere keeps the file under the name that it has.
func (f *File) keepHere(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.keepable()
	if err == nil {
		err = f.closeHandle()
	}
	if err == nil {
		_, err = f.v.Lstat(name) // somebody else may have removed it
	}
	if err != nil {
		return f.fail(name, err)
	}
	f.kept(name)
	return nil
}

// keepable reports why there is nothing to keep.
func (f *File) keepable() error {
	if f.done || f.closed && f.name == "" {
		return fs.ErrClosed
	}
	return f.lost
}

// KeepAt is Keep, or KeepNew if exclusive is set, at a place that is held open.
// It is for the other packages of this module.
func (f *File) KeepAt(to *vfs.Place, exclusive bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.keepable()
	switch {
	case err != nil:
	case f.linked:
		err = f.link(to, exclusive)
	case f.name == "":
		err = errors.ErrUnsupported
	case exclusive:
		err = f.renameNew(to)
	default:
		if err = f.closeHandle(); err == nil {
			err = f.v.Rename(f.name, to)
		}
	}
	if err != nil {
		return f.fail(to.User, err)
	}
	f.kept(to.User)
	return nil
}

// kept notes that the file is the caller's now, and is called name.
func (f *File) kept(name string) { f.done, f.name = true, name }

func (f *File) fail(name string, err error) error {
	return &fs.PathError{Op: "keep", Path: name, Err: vfs.Reason(err)}
}

// renameNew renames the file with its handle open, so that the loser still has
// it, where an open file can be renamed.
func (f *File) renameNew(to *vfs.Place) error {
	if _, err := to.Lstat(); err == nil {
		return fs.ErrExist
	}
	if !f.v.OpenRenames() && !f.closed {
		return f.renameClosed(to)
	}
	if err := f.v.RenameNew(f.name, to); err != nil {
		return err
	}
	err := f.closeHandle()
	if err == nil {
		return nil
	}
	// What was written may not be there: back to where it is temporary.
	back, perr := f.v.Pin(f.name, false)
	if perr == nil {
		defer func() { _ = back.Close() }()
		perr = to.FS.Rename(to.Name, back)
	}
	if perr != nil {
		return errors.Join(vfs.Reason(err), perr)
	}
	return err
}

// renameClosed is renameNew where an open file cannot be renamed: the loser gets
// a new handle that stands where the old one stood.
func (f *File) renameClosed(to *vfs.Place) error {
	at, err := f.h.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if err := f.closeHandle(); err != nil {
		return err
	}
	rerr := f.v.RenameNew(f.name, to)
	if rerr == nil {
		return nil
	}
	h, err := f.v.OpenFile(f.name, os.O_RDWR, 0)
	if err != nil {
		return errors.Join(rerr, err)
	}
	_, err = h.Seek(at, io.SeekStart)
	f.File, f.h, f.closed = h, h, false
	return errors.Join(rerr, err)
}

// link gives a file without a name the place to: at once if that must be free,
// else by a name beside it, because no system links over a file. The handle is
// closed last, so that a failure loses nothing; file systems with such files are
// local, and have written or refused everything by then.
func (f *File) link(to *vfs.Place, exclusive bool) error {
	if info, err := to.Lstat(); err == nil && (exclusive || info.IsDir()) {
		return fs.ErrExist // said before it has a name: a file that had one cannot get another
	}
	if exclusive {
		if err := f.v.Link(f.h, to); err != nil {
			return err
		}
		_ = f.closeHandle()
		return nil
	}
	// Locked before it has the name, by which atomicfs.Sweep would know it as litter,
	// and until the handle is closed. Without locks a sweep goes by age.
	_, _ = f.h.TryLock()
	var beside *vfs.Place
	_, err := invent("keep", to.Dir(), besidePattern, func(name string) error {
		beside = to.Named(name)
		return f.v.Link(f.h, beside)
	})
	if err != nil {
		return err
	}
	if err := to.FS.Rename(beside.Name, to); err != nil {
		if left := to.FS.Remove(beside.Name); left != nil {
			return errors.Join(vfs.Reason(err), left)
		}
		return err
	}
	_ = f.closeHandle()
	return nil
}
