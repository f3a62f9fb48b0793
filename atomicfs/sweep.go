package atomicfs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/afero"
	"github.com/tempkit/tempkit/internal/vfs"
)

// Sweep removes from dir the temporaries that writers killed in the middle
// of a write have left, and nothing else: never one whose writer is alive,
// and, where that cannot be known, none younger than minAge (0 means 24 h).
// It returns their names.
//
// Names are the last elements of paths. What may be swept is a regular file with
// the name of one of this package's temporaries (".tmp-", 26 random characters,
// and for some of a large Batch "-dir" or "-age"), and of this process's own user,
// or, for root, of any. On the operating system it is known to be abandoned if nobody holds its lock; a
// Batch of more files than it may hold open locks their directories instead, and
// says so by "-dir". "-age" says that the writer had no descriptor left for the
// directory, so that only age tells. In memory there are only writers of this
// process, which are known. Elsewhere, and where there are no locks, age decides.
//
// Links, FIFOs and directories are never touched, nothing is waited for, and any
// number of sweeps and writers may be at work in dir. When ctx is done Sweep
// stops, with its error. What could not be removed does not stop it: the error
// joins the reasons.
func Sweep(ctx context.Context, fsys afero.Fs, dir string, minAge time.Duration) (removed []string, err error) {
	if minAge <= 0 {
		minAge = 24 * time.Hour
	}
	s, err := newSweep(vfs.On(fsys), dir, time.Now().Add(-minAge))
	if err != nil {
		return nil, fail("sweep", dir, err)
	}
	defer s.close()
	var failed []error
	for name, err := range s.at.Names(s.at.Dir()) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return removed, errors.Join(append(failed, fail("sweep", dir, err))...)
		}
		if !swept.MatchString(name) {
			continue
		}
		gone, err := s.entry(name)
		if err != nil {
			failed = append(failed, fail("sweep", filepath.Join(dir, name), err))
		}
		if gone {
			removed = append(removed, name)
		}
	}
	return removed, errors.Join(failed...)
}

// swept matches the names of the temporaries of this package, and of no others.
var swept = regexp.MustCompile(`^\.tmp-[a-z2-7]{26}(` + byDir + `|` + byAge + `)?$`)

// A sweep is the directory that is being swept.
type sweep struct {
	at     *vfs.Place // some name in it: what matters is that it holds the directory
	handle *vfs.File  // the directory, to lock it; nil if it cannot be opened
	old    time.Time  // what is older may go where nothing tells whether its writer lives
}

// newSweep holds the directory dir. It must be closed. The error is
// fs.ErrNotExist if there is no such directory.
func newSweep(v vfs.FS, dir string, old time.Time) (*sweep, error) {
	clean, err := v.Clean("sweep", dir)
	if err != nil {
		return nil, err
	}
	at, err := v.Pin(filepath.Join(clean, pattern), false)
	if err != nil {
		return nil, err
	}
	s := &sweep{at: at, old: old}
	if at.OnDisk() {
		s.handle, _ = at.Open(at.Dir()) // without it nothing is known for certain
	}
	return s, nil
}

// close lets go of the directory, which was only read.
func (s *sweep) close() {
	if s.handle != nil {
		_ = s.handle.Close()
	}
	_ = s.at.Close()
}

// entry removes the file of that name if it is abandoned, and reports whether it
// did. One that has gone meanwhile is no error.
func (s *sweep) entry(name string) (bool, error) {
	if s.at.InMemory() {
		// From the look to the removal no writer in memory makes a file, or notes
		// its name.
		alive.Lock()
		defer alive.Unlock()
	}
	at := s.at.Beside(name)
	info, err := at.Lstat()
	if err != nil {
		return false, unlessGone(err)
	}
	_, owned := alive.names.Load(name)
	if owned || !info.Mode().IsRegular() || !mayBeOurs(info) {
		return false, nil
	}
	switch {
	case s.at.OnDisk():
		return s.onDisk(at, info)
	case s.at.InMemory() || info.ModTime().Before(s.old):
		return remove(at)
	}
	return false, nil
}

// mayBeOurs reports whether a process of this user can have left the file. Root
// gives a temporary the owner of what it replaces, and may be killed after that.
func mayBeOurs(info fs.FileInfo) bool {
	uid, _, ok := vfs.Owner(info)
	return !ok || uid == os.Geteuid() || os.Geteuid() == 0
}

// onDisk is entry for a file of the operating system. at is a regular file of
// this user, as info saw it.
func (s *sweep) onDisk(at *vfs.Place, info fs.FileInfo) (bool, error) {
	aged := info.ModTime().Before(s.old)
	certain := s.at.OpenRenames() && !strings.HasSuffix(at.Name, byAge) // elsewhere writers take no locks
	if strings.HasSuffix(at.Name, byDir) {
		// Before the file's own lock: a writer that has the directory must find that free.
		free, err := false, errors.ErrUnsupported
		if s.handle != nil {
			free, err = s.handle.LockDir(true)
		}
		if err == nil && !free {
			return false, nil // a batch that lives
		}
		if err == nil {
			defer s.handle.UnlockDir()
		}
		certain = certain && err == nil
	}
	// A FIFO that has taken its place since must not make the sweep wait.
	f, err := at.OpenFile(at.Name, os.O_RDONLY|vfs.NonBlock, 0)
	if errors.Is(err, fs.ErrPermission) && aged {
		return remove(at) // nobody can be asked
	}
	if err != nil {
		return false, unlessGone(err)
	}
	defer func() { _ = f.Close() }() // gives back its lock, after the removal
	own, err := f.Stat()
	// Something else has the name by now: it is looked at by the next sweep.
	if err != nil || !os.SameFile(own, info) {
		return false, err
	}
	free, err := f.TryLock()
	if err == nil && !free {
		return false, nil // its writer lives
	}
	certain = certain && err == nil
	// Between the first look and the lock its writer may have put it in place.
	if now, err := at.Lstat(); err != nil || !os.SameFile(own, now) {
		return false, unlessGone(err)
	}
	if !certain && !aged {
		return false, nil
	}
	// Windows removes no file that is open, by this process either.
	if !s.at.OpenRenames() {
		_ = f.Close()
	}
	return remove(at)
}

// remove reports whether it was this sweep that removed the file. One that is
// gone is no error.
func remove(at *vfs.Place) (bool, error) {
	err := at.Remove(at.Name)
	return err == nil, unlessGone(err)
}

// unlessGone returns err, unless it says that there is no such file any more.
func unlessGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
