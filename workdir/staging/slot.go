package staging

import (
	"errors"
	"hash"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/tempkit/tempkit/internal/vfs"
	"github.com/tempkit/tempkit/spool"
	"github.com/tempkit/tempkit/tmpfs"
)

// writers are the uploads that are open in this process, by ID: 128 random bits
// need no Fs beside them.
var writers sync.Map

var errNotRemoved = errors.New("it could not be removed")

// A slot is an upload's place in its area. The methods that an Upload calls do
// nothing for a nil slot, that of an upload which is in no area.
type slot struct {
	area *Area
	id   string
	side sidecar
	data *tmpfs.File

	// lock is another handle of the data, under lock. It is not the one that is
	// written, because that is closed a moment before the rename. It is nil where there
	// are no locks, and while there is no writer.
	lock *vfs.File
	left bool // the area knows nothing of it any more, or knows it as nobody's here
}

// stat describes the data of an upload, and reports whether it is this user's.
// The error is fs.ErrNotExist also for what is no regular file.
func (a *Area) stat(id string) (info fs.FileInfo, own bool, err error) {
	info, err = a.v.Lstat(a.path(id, dataSuffix))
	if err == nil && !info.Mode().IsRegular() {
		err = errNoID
	}
	if err != nil {
		return nil, false, err
	}
	uid, _, ok := vfs.Owner(info)
	// Root gives an upload the owner of what it replaces, and may be killed after that.
	return info, !ok || uid == os.Geteuid() || os.Geteuid() == 0, nil
}

// describe returns what is known of an upload, and whether it is this user's.
// Nothing is locked for it: of an upload that somebody is writing it tells what was
// so a moment ago.
func (a *Area) describe(id string) (Info, bool, error) {
	info, own, err := a.stat(id)
	if err != nil {
		return Info{}, false, err
	}
	side, err := a.load(id)
	// Most writers die without a last word in the sidecar; the file knows when bytes came.
	i := Info{ID: id, Size: info.Size(), Declared: side.Declared, Started: side.Started, Updated: side.Updated}
	if info.ModTime().After(i.Updated) {
		i.Updated = info.ModTime()
	}
	if h := a.holding(id); h != nil && h.ours != nil {
		i.Size = h.ours.Size()
	}
	return i, own, err
}

// hold takes the lock on the data, where there are locks, and reports false if
// somebody else has it. Elsewhere it reports true, and the writers of this process
// are all that is known.
func (s *slot) hold() (bool, error) {
	a := s.area
	if !a.v.OnDisk() {
		return true, nil
	}
	info, _, err := a.stat(s.id)
	if err != nil {
		return false, err
	}
	f, err := a.v.OpenFile(a.path(s.id, dataSuffix), os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	// What was opened must be what was looked at: no link is followed out of the area.
	if now, err := f.Stat(); err != nil || !os.SameFile(info, now) {
		_ = f.Close()
		return false, errNoID
	}
	got, err := f.TryLock()
	if err == nil && got {
		// Still what goes by that name: its last writer may have committed it.
		if now, lerr := a.v.Lstat(a.path(s.id, dataSuffix)); lerr != nil || !os.SameFile(info, now) {
			_ = f.Close()
			return false, errNoID
		}
		s.lock = f
		return true, nil
	}
	_ = f.Close()
	return err != nil, nil // an error says that this file system has no locks
}

// unlock gives the lock back, if there is one.
func (s *slot) unlock() {
	if s.lock != nil {
		_ = s.lock.Close() // nothing was written by it
		s.lock = nil
	}
}

// upload returns the upload of the data, and counts it as one that is open here. If
// it fails, the data is still the slot's.
func (s *slot) upload(o Options) (*Upload, error) {
	f, err := spool.FromFile(s.data, &o.Spool)
	if err != nil {
		return nil, err
	}
	u := newUpload(f, o)
	u.slot, u.size = s, f.Size()
	s.area.count(s.id, &holding{bytes: max(u.size, o.Size), declared: o.Size, ours: f})
	return u, nil
}

// save writes the sidecar for an upload of size bytes that are on the disk. The
// caller has synced them: a sidecar that is ahead of its data would have a Resume go
// on behind bytes that a power cut has taken.
func (s *slot) save(size int64, h hash.Hash) error {
	if s == nil {
		return nil
	}
	s.side.Updated, s.side.Boot = time.Now(), bootID()
	s.side.remember(h, size)
	return s.area.store(&s.side)
}

// reserve makes the upload count for size bytes, or says that there is no room:
// before they are written, so that a quota is never exceeded, not even for a moment.
func (s *slot) reserve(size int64) error {
	if s == nil {
		return nil
	}
	return s.area.reserve(s.id, size)
}

// settle gives back what was reserved and not stored, as after a write that was
// short.
func (s *slot) settle(size int64) {
	if s != nil {
		s.area.settle(s.id, size)
	}
}

// beforeRename closes the handle that has the lock, where an open file can be
// neither renamed nor removed.
func (s *slot) beforeRename() {
	if s != nil && !s.area.v.OpenRenames() {
		s.unlock()
	}
}

// afterFailure takes the lock again that beforeRename gave back. If somebody was
// faster, the two will find that out by the digest at the latest.
func (s *slot) afterFailure() {
	if s != nil && s.lock == nil {
		_, _ = s.hold()
	}
}

// leave takes an upload out of the area whose data is gone from it. While that is
// there, because it could not be removed, it keeps its sidecar, and the error says so:
// without one it would never be swept. It may be called again.
func (s *slot) leave() error {
	if s == nil || s.left {
		return nil
	}
	data := s.area.path(s.id, dataSuffix)
	if _, err := s.area.v.Lstat(data); err == nil {
		return fail("remove", data, errNotRemoved)
	} else if !vfs.Gone(err) {
		return err
	}
	if err := s.dropSidecar(); err != nil {
		return err
	}
	s.forget(false)
	return nil
}

// discard takes an upload out of the area that nobody has been given. What of it could
// not be removed is a sweep's, also of this process.
func (s *slot) discard() error {
	err := errors.Join(s.data.Close(), s.leave())
	if !s.left {
		s.forget(false)
	}
	return err
}

// forget lets go of an upload, which stays in the area or not. The lock goes after
// the account and before the ID, so that whoever takes the upload next finds an
// account without it.
func (s *slot) forget(stays bool) {
	a := s.area
	a.look.Lock()
	defer a.look.Unlock()
	a.mu.Lock()
	if h := a.held[s.id]; h != nil && stays {
		h.ours = nil
	} else {
		delete(a.held, s.id)
	}
	a.mu.Unlock()
	s.left = true
	s.unlock()
	writers.Delete(s.id)
}

// letGo leaves an upload in the area, for Resume. If it fails, the data stays all
// the same, unless somebody closes the spool.
func (s *slot) letGo() error {
	if s.left {
		return nil
	}
	var err error
	if s.data != nil {
		if err = s.data.Keep(s.data.Name()); err != nil {
			_ = s.data.CloseHandle() // or it has been, and that has failed
		}
	}
	s.forget(true)
	return err
}

// dropSidecar removes the sidecar, after the data: data without one would never be
// swept, a sidecar without data is.
func (s *slot) dropSidecar() error {
	err := s.area.v.Remove(s.area.path(s.id, sidecarSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
