package workdir

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/spf13/afero"

	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/tmpfs"
)

// A lease is the file ".<name>.lease" beside the directory <name>. It is written
// before the directory exists and removed after it is gone, so that a directory
// whose owner was killed always has one.
//
// It holds the name of its directory if the owner has it under lock, and nothing
// if the Fs has no locks. No path is read from it: the name is only compared, so
// that a lease which was linked or copied to another name is none. A lease that
// a power cut has emptied is one without a lock: its age decides.
type lease struct {
	v    vfs.FS
	path string     // of the lease
	dir  string     // path of the directory
	f    afero.File // its open handle is the lock; nil if there is none
}

const (
	leasePrefix = "."
	leaseSuffix = ".lease"
	maxTries    = 8 // a second loss of a race against a sweeper is no accident
)

// randomPart is what every name made by package tmpfs contains.
var randomPart = regexp.MustCompile(`[a-z2-7]{26}`)

// leased returns the name of the directory that the lease of that name is for.
func leased(lease string) (dir string, ok bool) {
	dir, ok = strings.CutPrefix(lease, leasePrefix)
	if !ok {
		return "", false
	}
	dir, ok = strings.CutSuffix(dir, leaseSuffix)
	return dir, ok && randomPart.MatchString(dir)
}

func leaseOf(dir string) string { return leasePrefix + dir + leaseSuffix }

// owners are the directories that this process owns, by name: 128 random bits
// need no Fs beside them. In memory nothing else tells who is alive.
var owners names

// births keeps sweepers of memory from looking at a lease whose owner is not
// among the owners yet. It is held over operations on memory alone.
var births sync.RWMutex

// names is a set of names that is safe for concurrent use.
type names struct{ m sync.Map }

// add reports whether the name was not there yet.
func (n *names) add(name string) bool {
	_, there := n.m.LoadOrStore(name, nil)
	return !there
}

func (n *names) remove(name string) { n.m.Delete(name) }

func (n *names) has(name string) bool {
	_, there := n.m.Load(name)
	return there
}

// newLease writes a lease for a directory that does not exist yet. The name is
// that of a new temporary file.
func newLease(fsys afero.Fs, temp tmpfs.Options) (*lease, error) {
	v := vfs.On(fsys)
	for range maxTries {
		l, err := writeLease(fsys, v, temp)
		if !errors.Is(err, errLost) {
			return l, err
		}
	}
	return nil, errLost
}

// errLost says that a sweeper was faster than the owner to a lease without a
// directory, and has removed it or is about to.
var errLost = &refusal{"lost to a sweeper", fs.ErrExist}

// writeLease is one attempt of newLease. If it fails nothing is left.
func writeLease(fsys afero.Fs, v vfs.FS, temp tmpfs.Options) (*lease, error) {
	if v.InMemory() {
		births.Lock()
		defer births.Unlock()
	}
	f, path, err := tmpfs.CreateTemp(fsys, temp.Dir, leaseOf(temp.Pattern))
	if err != nil {
		return nil, err
	}
	base, _ := leased(filepath.Base(path))
	l := &lease{v: v, path: path, dir: filepath.Join(filepath.Dir(path), base), f: f}
	owners.add(base)
	if err := l.lock(base); err != nil {
		return nil, errors.Join(err, l.drop())
	}
	return l, nil
}

// lock takes the lock on the lease and says so in it, where there are locks. The
// error is errLost if a sweeper has got it first, as the lease of an owner that
// died before it could make its directory.
//
// It is a lock of the open file (flock), not of the process: it conflicts with
// that of a sweeper in the same process, and ends with the last descriptor, which
// no child inherits, because Go closes them on exec.
func (l *lease) lock(base string) error {
	g, ok := vfs.OSFile(l.f)
	if !ok {
		return l.unlock()
	}
	switch got, err := vfs.LockFile(g); {
	case err != nil: // no locks on this file system
		return l.unlock()
	case !got:
		return errLost
	}
	if _, err := io.WriteString(l.f, base); err != nil {
		return err
	}
	// A power cut may keep a directory, by what was synced in it, whose lease it
	// took: nobody would ever sweep that.
	if err := l.f.Sync(); err != nil {
		return err
	}
	held, err := l.f.Stat()
	if err != nil {
		return err
	}
	// A lock on a file that has been removed meanwhile is worth nothing.
	if now, err := l.v.Lstat(l.path); err != nil || !os.SameFile(held, now) {
		return errLost
	}
	return nil
}

// unlock closes the handle, and with it gives back the lock.
func (l *lease) unlock() error {
	if l.f == nil {
		return nil
	}
	f := l.f
	l.f = nil
	return f.Close()
}

// drop removes the lease, once its directory is gone or belongs to the user. It
// may be called again.
func (l *lease) drop() error {
	if !l.v.OpenRenames() {
		// An open file cannot be removed here, and one that is closed has no lock: it
		// must not look like a lease any more, because the directory may be kept.
		if l.f != nil {
			if _, err := l.f.WriteAt([]byte{'-'}, 0); err != nil {
				return err
			}
		}
		if err := l.unlock(); err != nil {
			return err
		}
	}
	// Under lock until it is gone: without, it is what a dead owner has left.
	if err := gone(l.v.Remove(l.path)); err != nil {
		return err
	}
	owners.remove(filepath.Base(l.dir))
	_ = l.unlock() // what was written is gone
	return nil
}

// undo takes back a lease after a failure. If the directory may be there all the
// same, the lease stays without an owner, so that Sweep removes both.
func (l *lease) undo(dirGone bool) error {
	if dirGone {
		return l.drop()
	}
	owners.remove(filepath.Base(l.dir))
	return l.unlock()
}

// A refusal is a reason of our own that is a case of one in io/fs.
type refusal struct {
	text string
	is   error
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.is }

var errNotRegular = &refusal{"is not a regular file", fs.ErrInvalid}
