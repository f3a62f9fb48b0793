package atomicfs

import (
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/internal/vfs"
)

// FsOptions adjusts NewFs. A nil *FsOptions asks for the defaults.
type FsOptions struct {
	Options       // how each file is put in place; Perm, NoReplace and ExactPerm follow the call that opens it
	SyncOnly bool // only Sync puts a file in place; Close without it discards the file and says so with an error
}

// NewFs returns fsys with writes made atomic, for code that knows only afero:
// a file that is created, or opened to be truncated, is written aside. Sync
// puts it in place; so does Close, if something was written since and no write
// failed, or if the file is new. A file that was truncated, never written and
// closed keeps its old contents. Everything else passes through: reading,
// appending, read-write without truncation, directories, links.
//
// The handle of a file that is written aside behaves as an os.File does. Until it
// is in place others see the old file, or none. The handle goes on after Sync; what
// it writes then is put in place by the next Sync or Close, in a copy, so that no
// reader sees it in part. A Write of no bytes counts as a write, a Truncate that
// changes the size too.
//
// With O_EXCL the file must not exist when it is opened, nor when it is put in
// place. Parent directories are not made. A name that leads to a device or a FIFO
// passes through: there is nothing to replace. Remove and Rename of a name that is
// being written aside act on the old file, and the new one takes its place later.
//
// After an error of Sync or Close the old file is in place, unless the error is
// ErrNotDurable.
func NewFs(fsys afero.Fs, opts *FsOptions) afero.Fs {
	a := &atomic{Fs: fsys, v: vfs.On(fsys)}
	if opts != nil {
		a.o = *opts
	}
	return a
}

// atomic is the Fs of NewFs. It keeps nothing of its own: what is under way is in the
// handles, so that two of them on one name do not know of each other, and the later
// to be put in place wins.
type atomic struct {
	afero.Fs // what passes through
	v        vfs.FS
	o        FsOptions
}

var (
	_ afero.Symlinker = (*atomic)(nil)
	_ vfs.Veneer      = (*atomic)(nil)
)

// Beneath lets this library's own packages write to the Fs beneath: what they
// write is aside already.
func (a *atomic) Beneath(vfs.Sealed) afero.Fs { return a.Fs }

// Name names the kind, as that of every afero.Fs does.
func (a *atomic) Name() string { return "atomicfs" }

// Create writes aside always: os.Create truncates what is there.
func (a *atomic) Create(name string) (afero.File, error) {
	return a.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// OpenFile writes aside what is created or truncated. All other opening is the Fs's
// own: Open is its by being embedded.
func (a *atomic) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	f, err := a.aside(name, flag, perm)
	if errors.Is(err, errPasses) {
		return a.Fs.OpenFile(name, flag, perm)
	}
	if err != nil {
		return nil, fail("open", name, err)
	}
	return f, nil
}

// errPasses says that a call of OpenFile is for the Fs beneath.
var errPasses = errors.New("passes through")

// aside opens a file that is created or truncated. The error is errPasses for every
// other, and for what there is nothing to replace of; nothing has changed then.
func (a *atomic) aside(name string, flag int, perm fs.FileMode) (*asideFile, error) {
	// One that is appended to may be large, and is not copied. With O_TRUNC it begins
	// empty like any other.
	if flag&(os.O_CREATE|os.O_TRUNC) == 0 || flag&(os.O_APPEND|os.O_TRUNC) == os.O_APPEND {
		return nil, errPasses
	}
	o := a.o.Options // not filled: a perm of 0 is a mode of 0, as in os.OpenFile
	o.Perm, o.ExactPerm = perm, false
	o.NoReplace = flag&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL
	t, err := find(a.v, name, o, false)
	if err != nil {
		if errors.Is(err, errIrregular) {
			err = errPasses
		}
		return nil, err
	}
	switch {
	case t.free && flag&os.O_CREATE == 0:
		err = fs.ErrNotExist
	case !t.free && flag&os.O_TRUNC == 0:
		err = errPasses // created only if it had been missing: it is read and written in place
	}
	if err != nil {
		_ = t.Close()
		return nil, err
	}
	f := &asideFile{at: t.Place, o: o, name: name, flag: flag, syncOnly: a.o.SyncOnly, isNew: t.free}
	if err := f.start(); err != nil {
		_ = t.Close()
		return nil, err
	}
	return f, nil
}

// LstatIfPossible implements afero.Lstater, by what the Fs beneath can say.
func (a *atomic) LstatIfPossible(name string) (fs.FileInfo, bool, error) {
	if l, ok := a.Fs.(afero.Lstater); ok {
		return l.LstatIfPossible(name)
	}
	info, err := a.Stat(name)
	return info, false, err
}

// SymlinkIfPossible implements afero.Linker.
func (a *atomic) SymlinkIfPossible(oldname, newname string) error {
	if l, ok := a.Fs.(afero.Linker); ok {
		return l.SymlinkIfPossible(oldname, newname)
	}
	return &os.LinkError{Op: "symlink", Old: oldname, New: newname, Err: afero.ErrNoSymlink}
}

// ReadlinkIfPossible implements afero.LinkReader.
func (a *atomic) ReadlinkIfPossible(name string) (string, error) {
	if l, ok := a.Fs.(afero.LinkReader); ok {
		return l.ReadlinkIfPossible(name)
	}
	return "", &fs.PathError{Op: "readlink", Path: name, Err: afero.ErrNoReadlink}
}
