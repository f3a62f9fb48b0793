package atomicfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// A pending is a temporary on its way to its target. Its file is to be renamed or
// discarded by whoever has it; the target is closed apart.
type pending struct {
	*target
	file   *tmpfs.File
	closed bool // its handle is
	own    bool // it was made here, and not by a caller who still has it
}

// pattern makes names of the same length whatever the target is called, so that
// a target of 255 bytes works. A suffix says what a sweep is to ask besides the
// lock of the file itself.
const (
	pattern = ".tmp-*"
	byDir   = "-dir" // the directory's lock, which stands for those of the files in it
	byAge   = "-age" // nobody: the file is under no lock while its writer lives
)

// alive knows the temporaries that have a name and a writer in this process.
var alive struct {
	// Writers in memory share it between the making of a file and the noting of
	// its name; Sweep has it for itself when it looks at one and removes it.
	sync.RWMutex
	names sync.Map // base names: their 128 random bits are unique whatever the Fs
}

// begin makes the temporary beside the target. The target is not closed if it
// fails.
func (t *target) begin() (*pending, error) {
	// A file that never had a name leaves nothing if its writer is killed.
	if f := t.unnamed(); f != nil {
		return &pending{target: t, file: f, own: true}, nil
	}
	return t.claimed()
}

// claimed returns a temporary with a name, under its own lock where there are
// locks. The error is errSwept where sweeps have taken each one.
func (t *target) claimed() (*pending, error) {
	const tries = 3
	for range tries {
		if p, err := t.claim(pattern); p != nil || err != nil {
			return p, err
		}
	}
	// Sweeps that never rest came between the making and the locking each time.
	// With the directory's lock they keep away.
	dir, err := lockAmongOthers(t.Place)
	// Without the lock it is tried all the same: the sweeps may have ended.
	if err == nil {
		defer func() { _ = dir.Close() }()
	}
	for range tries {
		if p, err := t.claim(pattern + byDir); p != nil || err != nil {
			return p, err
		}
	}
	return nil, errSwept
}

// errSwept is the error of a writer that never got to lock what it had made.
var errSwept = errors.New("others keep removing the temporary file")

// lockAmongOthers returns the directory of the place, locked so that a sweep can
// not have it for itself. The caller closes it, and with it goes the lock. The
// error is not nil where there are no such locks.
func lockAmongOthers(at *vfs.Place) (*vfs.File, error) {
	dir, err := at.Open(at.Dir())
	if err != nil {
		return nil, err
	}
	// A sweep has it for the moment of one removal. Whoever holds it for longer is none.
	const moments = 100
	err = os.ErrDeadlineExceeded
	for range moments {
		ok, lerr := dir.LockDir(false)
		if ok {
			return dir, nil
		}
		if lerr != nil {
			err = lerr
			break
		}
		time.Sleep(time.Millisecond)
	}
	return nil, errors.Join(err, dir.Close())
}

// options are those of a temporary beside the target, with no more rights than
// the target will have.
func (t *target) options(pattern string) *tmpfs.Options {
	return &tmpfs.Options{Dir: t.Dir(), Pattern: pattern, Perm: t.perm()}
}

// named returns a file with a name, which is noted. It is under no lock of its
// own.
func (t *target) named(pattern string) (*pending, error) {
	if t.InMemory() {
		// A Sweep of this process must not come between the making and the
		// noting: in memory it takes whatever is not noted.
		alive.RLock()
		defer alive.RUnlock()
	}
	f, err := tmpfs.Create(t.Fs(), t.options(pattern))
	if err != nil {
		return nil, err
	}
	alive.names.Store(filepath.Base(f.Name()), nil)
	return &pending{target: t, file: f, own: true}, nil
}

// claim is named, and locks the file, so that other processes see that its writer
// lives. It returns nil if a sweep took the file before it was locked. What it
// does not return it has removed, or says why not.
func (t *target) claim(pattern string) (*pending, error) {
	p, err := t.named(pattern)
	if err != nil || !t.OnDisk() {
		return p, err
	}
	ok, err := p.handle().Lock()
	if err != nil {
		return p, nil // without locks a sweep goes by age
	}
	if ok {
		// The lock may be that of a file which a sweep has removed a moment
		// before: it is of use only if the name is still there.
		if _, err = t.FS.Lstat(p.file.Name()); err == nil {
			return p, nil
		}
	}
	return nil, errors.Join(unlessGone(err), p.discard())
}

// handle returns the file as vfs has it, by which its mode and owner are set.
func (p *pending) handle() *vfs.File { return p.file.File.(*vfs.File) }

// put gives the contents their name. The order of its steps is a promise. When it
// fails without ErrNotDurable, the target is as it was and the temporary is there
// still.
func (p *pending) put() error {
	if err := p.settle(); err != nil {
		return err
	}
	err := p.rename()
	if p.cannotBeNamed(err) {
		err = p.copyNamed()
	}
	if err != nil || p.o.NoSync {
		return err
	}
	return notDurable(p.Sync())
}

// settle gives the file what it is to have but its name: owner, mode, and its
// contents on the disk. An error of the sync is final. A handle that was opened
// for it is closed again.
func (p *pending) settle() error {
	// What may not be replaced is refused before the disk is waited for.
	if err := p.look(); err != nil {
		return err
	}
	if p.o.NoSync && p.asMade() {
		return nil // a handle that is closed need not be opened for it
	}
	h, err := p.open()
	if err != nil {
		return err
	}
	// Before the sync: a mode that is changed later is lost with the power on btrfs.
	err = p.dress(h)
	if err == nil && !p.o.NoSync {
		// The contents must reach the disk before the name does: a rename may survive
		// a crash that the data did not.
		err = h.Sync()
	}
	if p.closed {
		err = errors.Join(err, h.Close())
	}
	return err
}

// open returns the handle, or another one if that is closed. The caller closes
// that one.
func (p *pending) open() (*vfs.File, error) {
	if !p.closed {
		return p.handle(), nil
	}
	v := vfs.On(p.file.Fs())
	h, err := v.Open(p.file.Name())
	// A file that its owner may write and not read. Either handle will do for a
	// sync.
	if errors.Is(err, fs.ErrPermission) {
		h, err = v.OpenFile(p.file.Name(), os.O_WRONLY, 0)
	}
	return h, err
}

// rename is the moment at which readers see the new contents. After it nothing
// touches the target by its name. When it fails the target is as it was. It is
// not durable before the directory is synced.
func (p *pending) rename() error {
	if !p.o.NoSync { // again, because the disk took its time
		if err := p.look(); err != nil {
			return err
		}
	}
	temporary := p.file.Name()
	// A file without a name takes a free place at once, and has no name in between.
	exclusive := p.o.NoReplace || p.free && temporary == ""
	err := p.file.KeepAt(p.Place, exclusive)
	if errors.Is(err, fs.ErrExist) && !p.o.NoReplace {
		err = p.file.KeepAt(p.Place, false) // it is not free any more
	}
	if err != nil {
		return err
	}
	p.release(temporary)
	return nil
}

// notDurable returns the error of syncing the directory that holds new contents.
// nil stays nil. The error matches ErrNotDurable and its cause.
func notDurable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrNotDurable, vfs.Reason(err))
}

// release says that the temporary has no writer any more. After the rename or the
// removal, never before: a sweep of any process takes a temporary that has no
// writer.
func (p *pending) release(temporary string) {
	p.handle().Unlock()
	alive.names.Delete(filepath.Base(temporary))
}

// discard removes the temporary. It does nothing once that has been renamed, and
// may be tried again when it fails.
func (p *pending) discard() error {
	temporary := p.file.Name()
	err := p.file.Close()
	// Of what is left too: nobody writes to it any more, and where its connection is
	// lost no further try can remove it. Sweep can.
	p.release(temporary)
	if err != nil {
		return fmt.Errorf("its temporary is left: %w", reason(err))
	}
	return nil
}
