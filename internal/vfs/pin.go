package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// A Place is a name in a directory that is held open where the Fs lets it, so
// that a directory which is renamed or swapped for a link meanwhile diverts
// nothing that is done by the Place.
//
// It is made by Pin, which its Close undoes, or borrowed from one by Beside. What
// is at the place may change at any time; only the directory is held.
type Place struct {
	FS          // the directory's own, where it is held; else the one asked for
	Name string // the name on that FS
	User string // the name that the caller used, for errors

	pinned   *rootfs.Fs // the directory, where it is held; all places in it share it
	borrowed bool       // and is another Place's to close
}

// Pin returns the place name. If follow is set and name is a link, it is the
// place that the link leads to, through at most 40 links, relative to each link's
// directory; that place may be empty. The parent must exist. The Place must be
// closed. The error is fs.ErrNotExist if a directory on the way is missing, and
// nothing is held then.
func (v FS) Pin(name string, follow bool) (*Place, error) {
	clean, err := v.Clean("open", name)
	if err != nil {
		return nil, err
	}
	p, err := v.pin(clean, follow)
	if errors.Is(err, errIsRoot) {
		err = syscall.EISDIR // as on the operating system
	}
	if err != nil {
		return nil, fail("open", clean, err)
	}
	p.User = clean
	return p, nil
}

// maxLinks is how many links are followed in one name, as Linux has it.
const maxLinks = 40

// pin is Pin for a clean name. Each link on the way is read in the directory that
// it was seen in, so that a swap leads to the old target or to the new. User is
// left to the caller.
func (v FS) pin(name string, follow bool) (*Place, error) {
	if v.kind == rootedKind {
		return v.pinRooted(name, follow)
	}
	// Forty links, and a look at where the last of them leads.
	for range maxLinks + 1 {
		p, err := v.hold(name)
		if err != nil || !follow {
			return p, err
		}
		info, err := p.Lstat()
		// Nothing, or no link: this is the end of the way.
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&fs.ModeSymlink == 0 {
			return p, nil
		}
		target := ""
		if err == nil {
			target, err = p.Readlink(p.Name)
		}
		// Open for reading: there is nothing that it could fail to write.
		_ = p.Close()
		if err != nil {
			return nil, err
		}
		if name, err = v.follow(name, target); err != nil {
			return nil, err
		}
	}
	return nil, syscall.ELOOP
}

// follow returns where the link name with that target leads. An error is a bare
// reason. A target that can only be a directory is EISDIR: a place is a name that
// something can be put at.
func (v FS) follow(name, target string) (string, error) {
	// As Linux says of an empty path.
	if target == "" {
		return "", fs.ErrNotExist
	}
	if filepath.IsAbs(target) {
		name = target
	} else {
		// Not cleaned: ".." is relative to where the parent really is, which only the system knows.
		name = filepath.Dir(name) + separator + target
	}
	if v.kind != osKind {
		return v.Clean("open", name)
	}
	// Base strips the slashes at the end, so those are looked for below.
	switch filepath.Base(name) {
	case ".", "..", separator:
		return "", syscall.EISDIR
	}
	if os.IsPathSeparator(name[len(name)-1]) {
		return "", syscall.EISDIR
	}
	return name, nil
}

// hold returns the place name, whose last element is not followed. The name may
// have links and ".." in its parents, which the system resolves.
func (v FS) hold(name string) (*Place, error) {
	if v.kind != osKind {
		// Nothing can be held open here. The parent is checked all the same, for
		// one kind of error on every Fs.
		if _, err := v.parent(name); err != nil {
			return nil, err
		}
		return &Place{FS: v, Name: name}, nil
	}
	// Not split, which takes a clean name: this one may come from a link.
	dir, base := filepath.Split(name)
	if base == "" {
		return nil, syscall.EISDIR
	}
	root, err := openRoot(dir)
	if errors.Is(err, fs.ErrPermission) {
		// A directory may be written to without being read: nothing holds it then.
		return &Place{FS: v, Name: name}, nil
	}
	if err != nil {
		return nil, err
	}
	return v.placeIn(root, base), nil
}

// placeIn returns the place base in root, which it owns from then on. base must
// be one element. The root is closed with the place.
func (v FS) placeIn(root *os.Root, base string) *Place {
	r := rootfs.New(root)
	return &Place{FS: v.on(r), Name: separator + base, pinned: r}
}

// Close lets go of the directory. A second Close returns nil. Of a borrowed place
// it does nothing, so whoever has one may close it without asking.
func (p *Place) Close() error {
	if p.borrowed || p.pinned == nil {
		return nil
	}
	return p.pinned.Close()
}

// Lstat describes what is at the place. The error is fs.ErrNotExist if the place
// is free.
func (p *Place) Lstat() (fs.FileInfo, error) { return p.FS.Lstat(p.Name) }

// Dir returns the directory of the place, on its FS. Where the directory is held
// that is the root of it.
func (p *Place) Dir() string {
	dir, _ := split(p.Name)
	return dir
}

// Beside returns the place base in the same directory. It lives as long as p.
// base must be one element. User stays that of p, so errors name what the caller
// asked for.
func (p *Place) Beside(base string) *Place {
	q := *p
	q.Name = filepath.Join(p.Dir(), base)
	q.borrowed = true
	return &q
}

// Sync makes the entries of the directory of the place durable. An error of the
// device is final: the entries may not survive a power cut. Where directories
// cannot be synced it is nil.
func (p *Place) Sync() error {
	if p.pinned == nil {
		return p.SyncDir(p.Dir())
	}
	// By the handle: the name of the directory may be another's by now, and to
	// sync that proves nothing.
	dir, err := p.handle()
	if err != nil {
		return fail("sync", p.User, err)
	}
	return fail("sync", p.User, synced(dir.Sync()))
}

// handle returns the held directory as a file, or nil if none is held. It is the
// place's own: the caller must not close it.
func (p *Place) handle() (*os.File, error) {
	if p.pinned == nil {
		return nil, nil
	}
	return p.pinned.Dir()
}

// Apart reports whether the open file is on another volume than the place, so that no
// rename leads there. It is asked before what takes long; false says nothing, and the
// rename itself has the last word.
func (p *Place) Apart(f *File) bool {
	g, ok := f.OSFile()
	dir, err := p.handle()
	return ok && err == nil && dir != nil && apart(g, dir)
}

// Named returns the place name in the same directory, for a name that was joined
// from Dir. It lives as long as p.
func (p *Place) Named(name string) *Place { return p.Beside(filepath.Base(name)) }
