package atomicfs

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// Commit gives the temporary file f its real name, durably; see File.Commit.
// f must be on the same volume as name.
//
// A new file keeps the mode that f has; one that exists keeps its own. After
// Commit f is spent, as after Keep. If it fails, f is still temporary, with the mode
// that it had, and open unless the rename was what failed, before which it is closed.
func Commit(f *tmpfs.File, name string) error { return CommitFile(f, name, nil) }

// CommitNew is Commit, but fails with fs.ErrExist if name exists.
func CommitNew(f *tmpfs.File, name string) error {
	return CommitFile(f, name, &Options{NoReplace: true})
}

// CommitFile is Commit with options. Here a Perm of 0 means the mode that f has.
func CommitFile(f *tmpfs.File, name string, opts *Options) error {
	var o Options
	if opts != nil {
		o = *opts
	}
	// Before anything is touched: what has that name now may be somebody else's.
	if spent(f) {
		return fail("commit", name, fs.ErrClosed)
	}
	t, err := find(vfs.On(f.Fs()), name, o, true)
	if err != nil {
		return fail("commit", name, err)
	}
	defer func() { _ = t.Close() }() // open for reading: there is nothing that it could fail to write
	p := &pending{target: t, file: f}
	// Said before the contents are waited for, which will have to be copied.
	if t.Apart(p.handle()) {
		return fail("commit", name, syscall.EXDEV)
	}
	if err := p.adopt(); err != nil {
		return fail("commit", name, err)
	}
	return nil
}

// spent reports whether f has been kept, committed or closed, so that its name
// may be somebody else's by now. It changes nothing: a file that is owned stays
// as it is.
func spent(f *tmpfs.File) bool {
	if _, err := f.Stat(); !errors.Is(err, fs.ErrClosed) {
		return false
	}
	// The handle alone may be closed. A file that is owned refuses to be kept where one is.
	at, err := vfs.On(f.Fs()).Pin(f.Name(), false)
	if err != nil {
		return true
	}
	defer func() { _ = at.Close() }()
	return errors.Is(f.KeepAt(at, true), fs.ErrClosed)
}

// adopt is put for a file that was made for something else. When it fails without
// ErrNotDurable, the file is the caller's as before, with its mode as far as that
// could be given back.
func (p *pending) adopt() error {
	if p.file.Name() == "" && p.handle().Name() != "" {
		return errors.ErrUnsupported // it had a name once, and cannot have one again
	}
	_, err := p.handle().Stat()
	// tmpfs lets a handle be closed and the file be kept: it is opened anew for
	// its mode and its sync.
	p.closed = errors.Is(err, fs.ErrClosed)
	h, err := p.open()
	if err != nil {
		return err
	}
	was, err := h.Stat()
	if p.closed {
		_ = h.Close() // open for reading; on Windows it would stand in the way of the rename
	}
	if err != nil {
		return err
	}
	if err := p.chooseMode(was); err != nil {
		return err
	}
	if p.file.Name() == "" {
		// It has a name for a moment, as one of this package's own, before the rename.
		_, _ = h.Lock() // without locks a sweep goes by age
	}
	err = p.put()
	if err != nil && !errors.Is(err, ErrNotDurable) {
		h.Unlock()
		p.giveBack(h, was)
	}
	return err
}

// giveBack gives the file, which is the caller's again, the mode that it had, as far
// as that goes. With the one that it was to have, its owner could perhaps not even
// open it to copy it where it could not be renamed.
func (p *pending) giveBack(h *vfs.File, was fs.FileInfo) {
	if h.Chmod(was.Mode()) == nil {
		return
	}
	// It was closed for the rename. By its name, then, unless that is another file's.
	v, name := vfs.On(p.file.Fs()), p.file.Name()
	if now, err := v.Lstat(name); err == nil && (!v.OnDisk() || os.SameFile(was, now)) {
		_ = v.Chmod(name, was.Mode())
	}
}

// chooseMode sets the options to the mode that a new file is to have. was is the
// file as it is.
func (p *pending) chooseMode(was fs.FileInfo) error {
	if p.o.Perm == 0 {
		p.o.Perm = was.Mode().Perm()
		return nil
	}
	if p.o.ExactPerm || p.keepsMode() {
		return nil
	}
	// What the system takes away from a mode it tells by a file that is made in the same place.
	probe, err := tmpfs.CreateAnonymous(p.Fs(), p.options(pattern))
	if err != nil {
		return err
	}
	// syscall.Umask reads by setting, for all goroutines, and does not tell of a
	// default access control list.
	info, err := probe.Stat()
	if err = errors.Join(err, probe.Close()); err != nil {
		return err
	}
	p.o.Perm, p.o.ExactPerm = info.Mode().Perm(), true
	return nil
}
