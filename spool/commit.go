package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/atomicfs"
	"github.com/tempkit/tempkit/internal/vfs"
)

// Commit puts the contents in place as name on fsys, durably: by rename where
// the disk side is fsys and the same volume, else through a temporary beside
// name. See atomicfs.File.Commit. If it fails, the contents are still here.
//
// After it has succeeded, f is closed. So it is if the error is
// atomicfs.ErrNotDurable, because then the contents are in place.
func (f *File) Commit(fsys afero.Fs, name string, opts *atomicfs.Options) error {
	h := &f.h
	if err := h.begin("commit"); err != nil {
		return &fs.PathError{Op: "commit", Path: name, Err: vfs.Reason(err)}
	}
	defer h.end()
	err := h.publish(fsys, name, opts)
	if e, ok := err.(*fs.PathError); ok && e.Path == name { //nolint:errorlint // one of several that are joined stays as it is
		err = &fs.PathError{Op: "commit", Path: name, Err: e.Err} // the caller creates nothing
	}
	if err != nil && !errors.Is(err, atomicfs.ErrNotDurable) {
		return err
	}
	h.closed, h.name = true, ""
	// Nothing that could still go wrong concerns name.
	_ = h.leave()
	return err
}

// StartWriteOut lets the disk begin with what has been written. A spool itself never
// does: most are gone before the system would have begun. It is for package staging,
// whose uploads are to last, and is not among what a File has to its user.
func (h *handle) StartWriteOut() {
	if h.beginRead("sync") != nil {
		return
	}
	defer h.mu.RUnlock() // held meanwhile, so that nobody closes the file
	if h.spilled && h.file.os != nil {
		vfs.StartWriteOut(h.file.os)
	}
}

// publish is Commit, less the closing. Whatever it returns, the contents are
// where they were, unless the disk file itself has become name.
func (s *store) publish(fsys afero.Fs, name string, opts *atomicfs.Options) error {
	if s.spilled {
		if err := s.file.flush(); err != nil {
			return &fs.PathError{Op: "commit", Path: name, Err: vfs.Reason(err)}
		}
		if vfs.Same(s.file.file.Fs(), fsys) {
			err := s.rename(name, opts)
			if cannotRename := errors.Is(err, syscall.EXDEV) || errors.Is(err, errors.ErrUnsupported); !cannotRename {
				return err
			}
			// In place, or not to be put there by a second way.
			if errors.Is(err, atomicfs.ErrNotDurable) || errors.Is(err, vfs.ErrParents) {
				return err
			}
		}
	}
	return s.copyOut(fsys, name, opts)
}

// rename gives the disk file itself its place, so that a commit costs the same
// whatever the size. The error is EXDEV or errors.ErrUnsupported where that
// cannot be done; else it is that of the commit, and the file is as it was.
func (s *store) rename(name string, opts *atomicfs.Options) error {
	d := s.file
	o := atomicfs.Options{}
	if opts != nil {
		o = *opts
	}
	if o.Perm == 0 {
		// As for a file that is made there: CommitFile would keep the temporary's.
		o.Perm = 0o644
	}
	if !d.canBeNamed() || !d.offset.TryLock() { // somebody is being sent the file by its handle
		return errors.ErrUnsupported
	}
	defer d.offset.Unlock()
	var second afero.File
	if s.users > 1 {
		// Readers go on reading it, and the commit closes its handle.
		var err error
		if second, err = d.reopen(); err != nil {
			return errors.ErrUnsupported
		}
	}
	err := atomicfs.CommitFile(d.file, name, &o)
	if err == nil || errors.Is(err, atomicfs.ErrNotDurable) {
		if second != nil {
			d.replace(second)
		}
		return err
	}
	if second != nil {
		_ = second.Close()
		if !errors.Is(err, fs.ErrExist) {
			// Not every Fs renames a file that is open twice.
			err = errors.Join(err, errors.ErrUnsupported)
		}
	}
	if lost := d.revive(); lost != nil {
		err = errors.Join(err, lost)
	}
	return err
}

// canBeNamed reports whether the disk file can be given a name. One that had one
// and was unlinked cannot; nor, on some systems, one that is open twice.
func (d *diskFile) canBeNamed() bool {
	if d.second != nil && !vfs.On(d.file.Fs()).OpenRenames() {
		return false
	}
	f, ok := d.file.File.(*vfs.File)
	return d.file.Name() != "" || ok && f.Name() == ""
}

// reopen opens the disk file a second time, with an offset of its own, where that
// does not keep it from being renamed.
func (d *diskFile) reopen() (afero.File, error) {
	v := vfs.On(d.file.Fs())
	if !v.OpenRenames() {
		return nil, errors.ErrUnsupported
	}
	if name := d.file.Name(); name != "" {
		return v.OpenFile(name, os.O_RDWR, 0)
	}
	if d.os == nil {
		return nil, errors.ErrUnsupported
	}
	// Only Linux can give a file without a name one, and so come here.
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", d.os.Fd()))
}

// revive opens the disk file again if a commit that failed has closed it, as it
// does with one that has a name. An error means that the contents are out of
// reach: the file is there and cannot be opened.
func (d *diskFile) revive() error {
	if _, err := d.via.Stat(); !errors.Is(err, fs.ErrClosed) {
		return nil
	}
	f, err := vfs.On(d.file.Fs()).OpenFile(d.file.Name(), os.O_RDWR, 0)
	if err == nil {
		d.replace(f)
	}
	return err
}

// replace makes f what is read and written from now on.
func (d *diskFile) replace(f afero.File) {
	if d.second != nil {
		_ = d.second.Close() // it has been of use
	}
	d.via, d.second, d.shared = f, f, false
	d.os, _ = vfs.OSFile(f)
}

// copyOut writes the contents to a temporary beside name and gives that its
// place. If it fails, nothing is left of the temporary, or the error says so.
func (s *store) copyOut(fsys afero.Fs, name string, opts *atomicfs.Options) (err error) {
	to, err := atomicfs.Create(fsys, name, opts)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := to.Close(); cerr != nil { // in place there is nothing to close
			err = errors.Join(err, cerr)
		}
	}()
	if err := s.copyInto(to); err != nil {
		return &fs.PathError{Op: "commit", Path: name, Err: vfs.Reason(err)}
	}
	return to.Commit()
}

// copyInto writes the contents to f, which is new: by the kernel where it can,
// else leaving holes where there are some.
func (s *store) copyInto(f *atomicfs.File) error {
	d := s.file
	if d == nil || d.os == nil || !d.offset.TryLock() {
		return s.copyTo(f)
	}
	defer d.offset.Unlock()
	if _, err := d.os.Seek(0, io.SeekStart); err != nil {
		return err
	}
	size := s.size()
	n, err := f.ReadFrom(&io.LimitedReader{R: d.os, N: size})
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	return err
}
