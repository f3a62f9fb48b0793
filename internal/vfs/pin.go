package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/tempkit/tempkit/tmpfs/rootfs"
)

// A Place is a name in a directory that is held open where the Fs lets it, so
// that a directory which is renamed or swapped for a link meanwhile diverts
// nothing that is done by the Place.
type Place struct {
	FS          // the directory's own, where it is held; else the one asked for
	Name string // the name on that FS
	User string // the name that the caller used, for errors

	pinned   *held // the directory, where it is held
	borrowed bool  // and is another Place's to close
}

// A held is a directory that is held open. All places in it share it.
type held struct {
	*rootfs.Fs
	mu  sync.Mutex
	dir *os.File // the same directory, once it was needed as a file
}

// file returns the directory as a file, for calls that an os.Root does not have.
func (h *held) file() (*os.File, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dir != nil {
		return h.dir, nil
	}
	dir, err := h.Root().Open(".")
	if err != nil {
		return nil, err
	}
	h.dir = dir
	return dir, nil
}

// Close lets go of the directory.
func (h *held) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dir != nil {
		_ = h.dir.Close() // open for reading: there is nothing that it could fail to write
	}
	return h.Fs.Close()
}

// Pin returns the place name. If follow is set and name is a link, it is the
// place that the link leads to, through at most 40 links, relative to each
// link's directory; that place may be empty. The parent must exist.
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
// it was seen in, so that a swap leads to the old target or to the new.
func (v FS) pin(name string, follow bool) (*Place, error) {
	if v.kind == rootedKind {
		return v.pinRooted(name, follow)
	}
	for range maxLinks + 1 {
		p, err := v.hold(name)
		if err != nil || !follow {
			return p, err
		}
		info, err := p.Lstat()
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&fs.ModeSymlink == 0 {
			return p, nil
		}
		target := ""
		if err == nil {
			target, err = p.Readlink(p.Name)
		}
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

// follow returns where the link name with that target leads.
func (v FS) follow(name, target string) (string, error) {
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
	switch filepath.Base(name) {
	case ".", "..", separator:
		return "", syscall.EISDIR
	}
	if os.IsPathSeparator(name[len(name)-1]) {
		return "", syscall.EISDIR
	}
	return name, nil
}

// hold returns the place name, whose last element is not followed.
func (v FS) hold(name string) (*Place, error) {
	if v.kind != osKind {
		if _, err := v.parent(name); err != nil {
			return nil, err
		}
		return &Place{FS: v, Name: name}, nil
	}
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
	return placeIn(root, base), nil
}

// placeIn returns the place base in root, which it owns from then on.
func placeIn(root *os.Root, base string) *Place {
	r := rootfs.New(root)
	return &Place{FS: On(r), Name: separator + base, pinned: &held{Fs: r}}
}

// Close lets go of the directory.
func (p *Place) Close() error {
	if p.borrowed || p.pinned == nil {
		return nil
	}
	return p.pinned.Close()
}

// Lstat describes what is at the place.
func (p *Place) Lstat() (fs.FileInfo, error) { return p.FS.Lstat(p.Name) }

// Dir returns the directory of the place, on its FS.
func (p *Place) Dir() string {
	dir, _ := split(p.Name)
	return dir
}

// Beside returns the place base in the same directory. It lives as long as p.
func (p *Place) Beside(base string) *Place {
	q := *p
	q.Name = filepath.Join(p.Dir(), base)
	q.borrowed = true
	return &q
}

// Sync makes the entries of the directory of the place durable.
func (p *Place) Sync() error {
	if p.pinned == nil {
		return p.SyncDir(p.Dir())
	}
	dir, err := p.handle()
	if err != nil {
		return fail("sync", p.User, err)
	}
	return fail("sync", p.User, synced(dir.Sync()))
}

// handle returns the held directory as a file, or nil if none is held.
func (p *Place) handle() (*os.File, error) {
	if p.pinned == nil {
		return nil, nil
	}
	return p.pinned.file()
}

// Named returns the place name in the same directory, for a name that was joined
// from Dir. It lives as long as p.
func (p *Place) Named(name string) *Place { return p.Beside(filepath.Base(name)) }
