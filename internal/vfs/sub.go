package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// A Sub is the Fs of what is below a directory, which no name leaves: an os.Root
// on the operating system, else the operations of this package below a base path.
type Sub struct {
	afero.Fs
	parent FS
	dir    string
	close  func() error
}

// Sub returns the Fs rooted in the directory dir, which must exist and be no
// link. It must be closed.
func (v FS) Sub(dir string) (*Sub, error) {
	clean, err := v.Clean("open", dir)
	if err != nil {
		return nil, err
	}
	info, err := v.Lstat(clean)
	if err != nil {
		return nil, fail("open", clean, err)
	}
	s := &Sub{parent: v, dir: clean}
	if !v.OnDisk() {
		s.rebase()
		return s, nil
	}
	var root *os.Root
	if v.kind == osKind {
		root, err = openRoot(clean)
	} else {
		root, err = rooted(v, func(r *rootfs.Fs) (*os.Root, error) {
			return r.Root().OpenRoot(inRoot(v.at(clean)) + separator + ".")
		})
	}
	if err != nil {
		return nil, fail("open", clean, err)
	}
	// Said by the directory that is open: its name may be another's, or a link, by now.
	if now, err := root.Stat("."); err != nil || !os.SameFile(info, now) {
		_ = root.Close()
		return nil, fail("open", clean, errSwapped)
	}
	r := rootfs.New(root)
	s.Fs, s.close = r, r.Close
	return s, nil
}

// rebase makes s the Fs of what is below its directory now.
func (s *Sub) rebase() {
	base := afero.NewBasePathFs(s.parent.fsys, s.dir)
	s.Fs = &guarded{v: On(base)}
	s.close = func() error { return nil }
}

// Parent returns the FS that s is a directory of, and its name there.
func (s *Sub) Parent() (v FS, dir string) { return s.parent, s.dir }

// Moved says that the directory has another name now.
func (s *Sub) Moved(dir string) {
	s.dir = dir
	if !s.parent.OnDisk() { // a root goes with its directory
		s.rebase()
	}
}

// Close lets go of the directory.
func (s *Sub) Close() error { return s.close() }

// Beneath implements Veneer.
func (s *Sub) Beneath(Sealed) afero.Fs {
	if g, ok := s.Fs.(*guarded); ok {
		return g.v.fsys
	}
	return s.Fs
}

// LstatIfPossible implements afero.Lstater, by what the Fs beneath can say.
func (s *Sub) LstatIfPossible(name string) (fs.FileInfo, bool, error) {
	return s.Fs.(afero.Lstater).LstatIfPossible(name)
}

// SymlinkIfPossible implements afero.Linker.
func (s *Sub) SymlinkIfPossible(oldname, newname string) error {
	return s.Fs.(afero.Linker).SymlinkIfPossible(oldname, newname)
}

// ReadlinkIfPossible implements afero.LinkReader.
func (s *Sub) ReadlinkIfPossible(name string) (string, error) {
	return s.Fs.(afero.LinkReader).ReadlinkIfPossible(name)
}

// guarded is an afero.Fs that answers by the operations of v.
type guarded struct{ v FS }

// at returns name slash-rooted, as all names of a guarded Fs are.
func (g *guarded) at(op, name string) (string, error) {
	clean, err := g.v.Clean(op, name)
	if err != nil {
		return "", err
	}
	return filepath.Join(separator, clean), nil
}

func (g *guarded) Name() string { return "guarded" }

func (g *guarded) Create(name string) (afero.File, error) {
	return g.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

func (g *guarded) Open(name string) (afero.File, error) { return g.OpenFile(name, os.O_RDONLY, 0) }

func (g *guarded) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	name, err := g.at("open", name)
	if err != nil {
		return nil, err
	}
	f, err := g.v.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (g *guarded) Mkdir(name string, perm fs.FileMode) error {
	name, err := g.at("mkdir", name)
	if err != nil {
		return err
	}
	return g.v.Mkdir(name, perm)
}

func (g *guarded) MkdirAll(name string, perm fs.FileMode) error {
	name, err := g.at("mkdir", name)
	if err == nil {
		_, err = g.v.MkdirAll(name, perm)
	}
	return err
}

func (g *guarded) Remove(name string) error {
	name, err := g.at("remove", name)
	if err != nil {
		return err
	}
	return g.v.Remove(name)
}

func (g *guarded) RemoveAll(name string) error {
	name, err := g.at("removeall", name)
	if err != nil {
		return err
	}
	return g.v.RemoveAll(name)
}

func (g *guarded) Rename(oldname, newname string) error {
	oldname, err := g.at("rename", oldname)
	if err != nil {
		return err
	}
	newname, err = g.at("rename", newname)
	if err != nil {
		return err
	}
	to, err := g.v.Pin(newname, false)
	if err != nil {
		return failLink("rename", oldname, newname, err)
	}
	defer func() { _ = to.Close() }()
	return g.v.Rename(oldname, to)
}

func (g *guarded) Stat(name string) (fs.FileInfo, error) {
	name, err := g.at("stat", name)
	if err != nil {
		return nil, err
	}
	return g.v.Stat(name)
}

func (g *guarded) Chmod(name string, mode fs.FileMode) error {
	return g.change("chmod", name, func(name string) error { return g.v.fsys.Chmod(name, mode) })
}

func (g *guarded) Chown(name string, uid, gid int) error {
	return g.change("chown", name, func(name string) error { return g.v.fsys.Chown(name, uid, gid) })
}

func (g *guarded) Chtimes(name string, atime, mtime time.Time) error {
	return g.change("chtimes", name, func(name string) error { return g.v.fsys.Chtimes(name, atime, mtime) })
}

func (g *guarded) change(op, name string, fn func(name string) error) error {
	name, err := g.at(op, name)
	if err != nil {
		return err
	}
	return fail(op, name, g.v.missing(name, fn(name)))
}

// LstatIfPossible tells whether the Fs beneath has looked at links at all.
func (g *guarded) LstatIfPossible(name string) (fs.FileInfo, bool, error) {
	name, err := g.at("lstat", name)
	if err != nil {
		return nil, false, err
	}
	info, err := g.v.Lstat(name)
	linked := false
	if l, ok := g.v.fsys.(afero.Lstater); ok && err == nil {
		_, linked, _ = l.LstatIfPossible(name)
	}
	return info, linked, err
}

// SymlinkIfPossible refuses: a base path would make the target another one, and
// could not keep what follows it from leaving.
func (g *guarded) SymlinkIfPossible(oldname, newname string) error {
	return failLink("symlink", oldname, newname, errNoSymlink)
}

var errNoSymlink = errors.Join(afero.ErrNoSymlink, errors.ErrUnsupported)

func (g *guarded) ReadlinkIfPossible(name string) (string, error) {
	name, err := g.at("readlink", name)
	if err != nil {
		return "", err
	}
	return g.v.Readlink(name)
}
