package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// A File is an open file that behaves as an *os.File does, whatever the Fs. It
// goes by the name that it was opened by: a handle of MemMapFs takes another
// name with each rename, one of BasePathFs tells a path that is none.
type File struct {
	afero.File // an *os.File, a *rootfs.File, or a *handle over what the Fs returned
	name       string
	fsys       FS
	held       *os.File // the lock of Lock, apart from the handle
}

// wrap returns f, which v opened as name, as a File. The File owns f. flag is
// what the caller asked for, O_APPEND included.
func (v FS) wrap(f afero.File, name string, flag int) *File {
	switch f.(type) {
	case *os.File, *rootfs.File:
		// An *os.File that an unknown Fs gives out needs the handle all the same:
		// it was opened without O_APPEND, which the handle is to do.
		if v.OnDisk() {
			return &File{File: f, name: name, fsys: v}
		}
	}
	return &File{File: newHandle(v, f, name, flag), name: name, fsys: v}
}

// Name returns the clean name that the file was opened by, or "" if it has none.
// It does not follow a rename.
func (f *File) Name() string { return f.name }

// OSFile returns the *os.File beneath f, if there is one. It stays f's to close.
// Its offset need not be that of f: see Stream.
func (f *File) OSFile() (*os.File, bool) { return OSFile(f.File) }

// OSFile returns the *os.File beneath f, if there is one and nothing unknown is
// in between: a fault injector or a meter stays in the way. A union has two files
// beneath, of which neither is the file.
func OSFile(f afero.File) (*os.File, bool) {
	for {
		if g, ok := Stream(f); ok {
			return g, true
		}
		switch v := f.(type) {
		case *File:
			f = v.File
		case *handle:
			f = v.f
		default:
			return nil, false
		}
	}
}

// Stream returns the *os.File that stands where r stands, so that to read the one is
// to read the other. It goes by types: what embeds a file may change what it reads,
// and a handle keeps an offset of its own.
func Stream(r io.Reader) (*os.File, bool) {
	// Nested as deep as base paths are.
	for {
		switch f := r.(type) {
		case *os.File:
			return f, true
		case *rootfs.File:
			return f.File, true
		case *afero.BasePathFile:
			r = f.File
		case *File:
			r = f.File
		default:
			return nil, false
		}
	}
}

// Chmod gives the file exactly that mode, by its handle where there is one. The
// umask takes nothing of it.
func (f *File) Chmod(mode fs.FileMode) error {
	if g, ok := f.OSFile(); ok {
		return fail("chmod", f.name, g.Chmod(mode))
	}
	// By the name, which may be another file's by now: an afero.File has no
	// Chmod.
	return f.fsys.Chmod(f.name, mode)
}

// Chown changes the owner and the group, by the handle where there is one; -1
// leaves one as it is. An error may only mean that this process may not, or that
// the Fs has no owners: what that is worth the caller decides.
func (f *File) Chown(uid, gid int) error {
	if g, ok := f.OSFile(); ok {
		return fail("chown", f.name, g.Chown(uid, gid))
	}
	return fail("chown", f.name, f.fsys.fsys.Chown(f.name, uid, gid))
}

// ReadFrom copies r to the file until EOF, within the kernel where it can.
func (f *File) ReadFrom(r io.Reader) (int64, error) {
	if to, ok := f.File.(readerFrom); ok {
		// A reader that is a File hides the os.File that the kernel could read from.
		if g, ok := Stream(r); ok {
			r = g
		}
		return Copy(to, r)
	}
	return io.Copy(onlyWriter{f.File}, r)
}

// WriteTo copies what is left of the file to w, within the kernel where it can.
// Where there is a handle in between, by a buffer.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	if from, ok := f.File.(io.WriterTo); ok {
		if to, ok := w.(*os.File); ok {
			g, _ := f.OSFile()
			n, err := Copy(to, g)
			if e := (*fs.PathError)(nil); errors.As(err, &e) && e.Path == g.Name() {
				err = fail(e.Op, f.name, err)
			}
			return n, err
		}
		return from.WriteTo(w)
	}
	return io.Copy(w, onlyReader{f.File})
}

// These keep io.Copy from calling ReadFrom or WriteTo again.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)

// Close closes the file. A lock that Lock took stays until Unlock. A second Close
// is fs.ErrClosed.
func (f *File) Close() error { return f.File.Close() }

// Lock takes the lock that tells other processes that this file has an owner
// alive. It reports false if somebody else has it: a sweeper that found the file
// before its owner could lock it. Where there are no such locks the error is
// errors.ErrUnsupported. The lock goes with the process, or with Unlock. A second
// Lock of one that has it is true.
func (f *File) Lock() (bool, error) {
	g, ok := f.OSFile()
	if !ok || !f.fsys.OpenRenames() { // the second descriptor would stand in the way of the rename
		return false, fail("lock", f.name, errors.ErrUnsupported)
	}
	// A second descriptor would be the same lock, and nobody would close the
	// first.
	if f.held != nil {
		return true, nil
	}
	// The lock is of the open file, not of the descriptor: a second descriptor
	// keeps it past Close, until the file has its final name.
	held, err := duplicate(g)
	if err != nil {
		return false, fail("lock", f.name, err)
	}
	ok, err = tryLock(held)
	if !ok || err != nil {
		_ = held.Close()
		return false, fail("lock", f.name, err)
	}
	f.held = held
	return true, nil
}

// Unlock gives the lock back, if there is one. Whoever sweeps may take the file
// from then on, so it comes after the final name.
func (f *File) Unlock() {
	if f.held != nil {
		_ = f.held.Close()
		f.held = nil
	}
}

// LockFile takes the same lock on an open file of the operating system, whoever
// made it, and reports whether it got it. Closing f gives it back. False without
// an error means that somebody else has it. It does not wait.
func LockFile(f *os.File) (bool, error) { return tryLock(f) }

// TryLock is LockFile of the file beneath f. The error is errors.ErrUnsupported
// where there is none.
func (f *File) TryLock() (bool, error) {
	g, ok := f.OSFile()
	if !ok {
		return false, fail("lock", f.name, errors.ErrUnsupported)
	}
	ok, err := tryLock(g)
	return ok, fail("lock", f.name, err)
}

// LockDir locks the open directory f, alone or among others, and reports false if
// somebody else's lock does not allow it. It does not wait. The lock goes with the
// last descriptor of what was opened, not with the process alone. The error is
// errors.ErrUnsupported where a directory cannot be locked.
func (f *File) LockDir(alone bool) (bool, error) {
	g, ok := f.OSFile()
	if !ok || f.fsys.foreign() != nil {
		return false, fail("lock", f.name, errors.ErrUnsupported)
	}
	ok, err := lockDir(g, alone)
	return ok, fail("lock", f.name, err)
}

// UnlockDir gives the lock of LockDir back; the directory stays open.
func (f *File) UnlockDir() {
	if g, ok := f.OSFile(); ok {
		unlockDir(g)
	}
}
