package vfs

import (
	"io/fs"
	"os"
	"syscall"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// A Sub is the Fs of what is below a directory, which no name leaves: an os.Root
// on the operating system, else the operations of this package below a base path.
//
// On the operating system it stays with its directory, whatever that is called by
// now. Elsewhere it goes by the name, and Moved tells it the new one, and with it all
// that was begun below. It is not safe to call Moved beside other calls.
type Sub struct {
	afero.Fs
	parent FS
	dir    string
	close  func() error
	base   *afero.BasePathFs // nil on the operating system
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
	// There is nothing to hold open, and a swap between two calls cannot be seen.
	if !v.OnDisk() {
		if !info.IsDir() {
			return nil, fail("open", clean, syscall.ENOTDIR)
		}
		s.base = s.rebased()
		g := &guarded{v: On(s.base)} // sees memory through the base path, so that the guard of both is one
		s.Fs, s.close = g, g.Close
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
	s.Fs, s.close = v.on(r).fsys, r.Close
	return s, nil
}

// rebased returns the base path of the directory, by its name now.
func (s *Sub) rebased() *afero.BasePathFs {
	return afero.NewBasePathFs(s.parent.fsys, s.dir).(*afero.BasePathFs)
}

// Parent returns the FS that s is a directory of, and its name there. The name is
// the last that Moved was told.
func (s *Sub) Parent() (v FS, dir string) { return s.parent, s.dir }

// Moved says that the directory has another name now. It is for whoever has
// renamed it. What was open stays open.
func (s *Sub) Moved(dir string) {
	s.dir = dir
	if s.base != nil { // a root goes with its directory
		// In its place: temporaries that were made below have it too, and are to be
		// found where they are now.
		*s.base = *s.rebased()
	}
}

// Close lets go of the directory. Files that are open stay so; every other call
// fails with fs.ErrClosed from then on. A second Close returns nil.
func (s *Sub) Close() error { return s.close() }

// Beneath implements Veneer. Nothing is beneath one that has been closed: what it
// refuses must not be got by going around it.
func (s *Sub) Beneath(Sealed) afero.Fs {
	if g, ok := s.Fs.(*guarded); ok && !g.closed.Load() {
		return g.v.fsys
	}
	return s.Fs
}

// LstatIfPossible implements afero.Lstater, by what the Fs beneath can say.
func (s *Sub) LstatIfPossible(name string) (fs.FileInfo, bool, error) {
	// It is a rootfs or a guarded always, and both have the three methods: the
	// assertion cannot fail.
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
