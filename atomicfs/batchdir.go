package atomicfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tempkit/tempkit/internal/vfs"
)

// batchDirs are the directories in which a batch writes. It is not safe for
// concurrent use: until Commit the lock of the batch is over it.
type batchDirs struct {
	v      vfs.FS
	byPath map[string]*batchDir
	all    []*batchDir
	held   []*batchDir // those of the operating system that are
	locked int         // how many have a lock
}

// A batchDir is one of them. It is held open, unless there are too many.
type batchDir struct {
	v    vfs.FS
	path string
	at   *vfs.Place  // some name in it, which holds it; nil if it is not held
	info fs.FileInfo // on the operating system: the directory as it was found
	lock *vfs.File   // the same, locked, so that a sweep knows that the files in it have a writer; or nil
	err  error       // of its sync
}

// maxHeldDirs is how many directories are held, by up to three descriptors each.
// Those past it have one, for the lock, up to a quarter of what the process may
// have; past that none, and a sweep of another process goes by age there.
const maxHeldDirs = 16

// maxLockedDirs is how many may have a lock. A quarter leaves descriptors for the
// rest of the process.
func maxLockedDirs() int { return vfs.MaxOpen() / 4 }

// find returns the target of the clean name, and its directory. The target's
// place needs no closing. Missing directories are made. A file that may not be
// replaced is an error too.
func (b *batchDirs) find(clean, name string, o Options) (*batchDir, *target, error) {
	d, err := b.of(clean, o)
	if err != nil {
		return nil, nil, err
	}
	t := &target{o: o, name: name}
	if d.at != nil {
		t.Place = d.at.Beside(filepath.Base(clean))
	} else {
		// It holds nothing. Whether the path leads to the same directory is asked
		// when it matters, by place.
		t.Place = &vfs.Place{FS: d.v, Name: clean, User: clean}
	}
	info, err := t.Lstat()
	if o.follows() && err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return b.behind(t)
	}
	return d, t, t.saw(info, err)
}

// behind is find for a name that is a link. Where that leads is always held: its
// path is not known.
func (b *batchDirs) behind(link *target) (*batchDir, *target, error) {
	t, err := find(b.v, link.name, link.o, true)
	if err != nil {
		return nil, nil, err
	}
	// It owns the place from here on, and has closed it if it fails.
	d, err := b.hold(t.Place, true)
	if err != nil {
		return nil, nil, err
	}
	t.Place = d.at.Beside(filepath.Base(t.Name))
	return d, t, nil
}

// of returns the directory of the clean name. It is found once for each path; the
// same directory by another path is the same batchDir where the system can tell,
// as long as it is held.
func (b *batchDirs) of(clean string, o Options) (*batchDir, error) {
	path := filepath.Dir(clean)
	if d := b.byPath[path]; d != nil {
		return d, nil
	}
	at, err := pin(b.v, clean, o, false, true)
	if err != nil {
		return nil, err
	}
	d, err := b.hold(at, len(b.held) < maxHeldDirs)
	if err != nil {
		return nil, err
	}
	// Only then: one that is held goes by its handle, whatever the path leads to
	// later.
	if d.at == nil {
		d.path = path
	}
	if b.byPath == nil {
		b.byPath = map[string]*batchDir{}
	}
	b.byPath[path] = d
	return d, nil
}

// hold returns the directory of the place at. It becomes a held one if keep is
// set; else at is closed. It owns at, also when it fails.
func (b *batchDirs) hold(at *vfs.Place, keep bool) (*batchDir, error) {
	d := &batchDir{v: b.v, at: at}
	if !at.OnDisk() { // nothing is held open there, and a path is all that there is
		b.all = append(b.all, d)
		return d, nil
	}
	var err error
	if d.info, err = at.FS.Stat(at.Dir()); err != nil {
		_ = at.Close()
		return nil, err
	}
	// A directory by two paths, or through a link: synced once, and locked once.
	for _, other := range b.held {
		if os.SameFile(other.info, d.info) {
			return other, at.Close()
		}
	}
	b.all = append(b.all, d)
	if b.locked < maxLockedDirs() {
		// Without it the files in it that are not kept open go by age.
		if d.lock, err = lockAmongOthers(at); err == nil {
			b.locked++
		}
	}
	if !keep {
		d.at = nil
		return d, at.Close()
	}
	b.held = append(b.held, d)
	return d, nil
}

// errMoved says that a directory that was not held is another one by now.
var errMoved = errors.New("its directory was moved or replaced meanwhile")

// place returns the place of that name in the directory. It must be closed. The
// error is errMoved where a path leads to another directory by now: to rename
// there would miss the target, or hit somebody else's.
func (d *batchDir) place(base string) (*vfs.Place, error) {
	if d.at != nil {
		return d.at.Beside(base), nil
	}
	p, err := d.v.Pin(filepath.Join(d.path, base), false)
	if err != nil {
		return nil, err
	}
	info, err := p.FS.Stat(p.Dir())
	if err == nil && !os.SameFile(info, d.info) {
		err = errMoved
	}
	if err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

// sync makes the entries of all directories durable. What failed is in the err of
// each, and of no other; it is not tried again.
func (b *batchDirs) sync() {
	inParallel(b.all, func(d *batchDir) {
		at, err := d.place(pattern) // whatever its name
		if err == nil {
			err = at.Sync()
			_ = at.Close()
		}
		d.err = err
	})
}

// close lets go of the directories, which were only read. With them go their
// locks: what temporaries are left are litter from then on. A second close does
// nothing.
func (b *batchDirs) close() {
	for _, d := range b.all {
		if d.lock != nil {
			_ = d.lock.Close()
		}
		if d.at != nil {
			_ = d.at.Close()
		}
	}
	b.all, b.held, b.byPath = nil, nil, nil
}
