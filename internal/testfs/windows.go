package testfs

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// A Windows is an afero.Fs that stands for Windows, so that what is done there is
// done in every test run: it neither renames nor removes a file that is open, nor
// replaces one, nor a directory with one in it; a directory cannot be synced or
// exchanged, and there are no files without a name.
//
// Over the operating system package vfs makes the calls of this one, once it has
// asked here; over any other Fs it knows nothing and calls what is here. It is safe
// for concurrent use as far as the Fs beneath is.
type Windows struct {
	afero.Fs
	shared *sharing
}

// A sharing is what is open, of all parts of one Windows.
type sharing struct {
	mu      sync.Mutex
	open    map[*windowsFile]bool
	refused []string // by name
}

// ErrSharing is the refusal. It is among what may pass by itself, as on Windows.
var ErrSharing error = syscall.EBUSY

var (
	_ vfs.Foreign     = (*Windows)(nil)
	_ afero.Symlinker = (*Windows)(nil)
)

// NewWindows returns a Windows over fsys.
func NewWindows(fsys afero.Fs) *Windows {
	return &Windows{fsys, &sharing{open: map[*windowsFile]bool{}}}
}

// EachWindows runs body as a subtest on a Windows over each kind that it can stand
// on, and fails it if an open file has been in the way of anything: the code under
// test is to close first. What is open on the operating system is asked of /proc.
func EachWindows(t *testing.T, body func(t *testing.T, k Kind, w *Windows)) {
	t.Helper()
	var windows []maker
	for _, m := range makers {
		switch m.name {
		case "CopyOnWriteFs", "CacheOnReadFs":
			continue // whose files are two
		}
		windows = append(windows, maker{"Windows(" + m.name + ")", func(t testing.TB) Kind {
			k := m.make(t)
			if k.OS && !seesOpen {
				t.Skip("nothing tells what is open on this system")
			}
			k.Fs = NewWindows(k.Fs)
			return k
		}})
	}
	each(t, windows, func(t *testing.T, k Kind) {
		w := k.Fs.(*Windows)
		body(t, k, w)
		if refused := w.Refused(); len(refused) > 0 {
			t.Errorf("open when it was to be renamed or removed: %q", refused)
		}
	})
}

// Refused returns the files that were in the way since the last time that it was
// asked.
func (w *Windows) Refused() []string {
	w.shared.mu.Lock()
	defer w.shared.mu.Unlock()
	refused := w.shared.refused
	w.shared.refused = nil
	return refused
}

// Under implements vfs.Foreign.
func (w *Windows) Under(vfs.Sealed) afero.Fs { return w.Fs }

// Over implements vfs.Foreign.
func (w *Windows) Over(_ vfs.Sealed, fsys afero.Fs) vfs.Foreign { return &Windows{fsys, w.shared} }

// Refuses implements vfs.Foreign.
func (w *Windows) Refuses(_ vfs.Sealed, name string) error {
	for _, open := range openBelow(name) {
		return w.refuse(open)
	}
	return nil
}

// Patience implements vfs.Foreign: what is open in a test mostly stays so.
func (w *Windows) Patience(vfs.Sealed) time.Duration { return 200 * time.Millisecond }

func (w *Windows) refuse(open string) error {
	w.shared.mu.Lock()
	defer w.shared.mu.Unlock()
	w.shared.refused = append(w.shared.refused, open)
	return ErrSharing
}

// check is Refuses for a name of the Fs itself.
func (w *Windows) check(name string) error {
	if real, ok := w.real(name); ok {
		return w.Refuses(vfs.Sealed{}, real)
	}
	if open, ok := w.openAt(name); ok {
		return w.refuse(open)
	}
	return nil
}

// real returns the path of name on the operating system, if that is beneath.
func (w *Windows) real(name string) (string, bool) {
	if r, ok := w.Fs.(*rootfs.Fs); ok {
		return filepath.Join(r.Root().Name(), name), true
	}
	return vfs.On(w.Fs).RealPath(name)
}

// openAt returns an open file that is name or below it.
func (w *Windows) openAt(name string) (string, bool) {
	w.shared.mu.Lock()
	defer w.shared.mu.Unlock()
	name = path.Clean("/" + filepath.ToSlash(name))
	for f := range w.shared.open {
		if f.path == name || strings.HasPrefix(f.path, name+"/") {
			return f.path, true
		}
	}
	return "", false
}

// Name returns "Windows".
func (w *Windows) Name() string { return "Windows" }

func (w *Windows) Create(name string) (afero.File, error) {
	return w.opened(name)(w.Fs.Create(name))
}

func (w *Windows) Open(name string) (afero.File, error) { return w.opened(name)(w.Fs.Open(name)) }

func (w *Windows) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	return w.opened(name)(w.Fs.OpenFile(name, flag, perm))
}

// opened notes what was opened as name, until it is closed. A directory is open
// with the right to rename it, as package os opens it there.
func (w *Windows) opened(name string) func(f afero.File, err error) (afero.File, error) {
	return func(f afero.File, err error) (afero.File, error) {
		if err != nil {
			return nil, err
		}
		info, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		opened := &windowsFile{File: f, of: w.shared, path: path.Clean("/" + filepath.ToSlash(name)), isDir: info.IsDir()}
		if !opened.isDir {
			w.shared.mu.Lock()
			defer w.shared.mu.Unlock()
			w.shared.open[opened] = true
		}
		return opened, nil
	}
}

func (w *Windows) Remove(name string) error {
	if err := w.check(name); err != nil {
		return about("remove", name)(err)
	}
	return w.Fs.Remove(name)
}

// RemoveAll removes nothing where one file below name is open; Windows would remove
// the others.
func (w *Windows) RemoveAll(name string) error {
	if err := w.check(name); err != nil {
		return about("remove", name)(err)
	}
	return w.Fs.RemoveAll(name)
}

func (w *Windows) Rename(oldname, newname string) error {
	for _, name := range []string{oldname, newname} {
		if err := w.check(name); err != nil {
			return between("rename", oldname, newname)(err)
		}
	}
	return w.Fs.Rename(oldname, newname)
}

// LstatIfPossible, SymlinkIfPossible and ReadlinkIfPossible answer as the Fs beneath.
func (w *Windows) LstatIfPossible(name string) (fs.FileInfo, bool, error) {
	if l, ok := w.Fs.(afero.Lstater); ok {
		return l.LstatIfPossible(name)
	}
	info, err := w.Stat(name)
	return info, false, err
}

func (w *Windows) SymlinkIfPossible(oldname, newname string) error {
	if l, ok := w.Fs.(afero.Linker); ok {
		return l.SymlinkIfPossible(oldname, newname)
	}
	return between("symlink", oldname, newname)(afero.ErrNoSymlink)
}

func (w *Windows) ReadlinkIfPossible(name string) (string, error) {
	if l, ok := w.Fs.(afero.LinkReader); ok {
		return l.ReadlinkIfPossible(name)
	}
	return "", about("readlink", name)(afero.ErrNoReadlink)
}

// A windowsFile keeps its name as long as it is open.
type windowsFile struct {
	afero.File
	of    *sharing
	path  string
	isDir bool
}

func (f *windowsFile) Close() error {
	f.of.mu.Lock()
	delete(f.of.open, f)
	f.of.mu.Unlock()
	return f.File.Close()
}

// Sync fails for a directory with what package os says of one there.
func (f *windowsFile) Sync() error {
	if f.isDir {
		return about("sync", f.path)(errors.ErrUnsupported)
	}
	return f.File.Sync()
}
