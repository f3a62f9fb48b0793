package atomicfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/tempkit/tempkit/internal/vfs"
)

// An asideFile is a handle of NewFs: of a file that is written aside, and put in
// place by Sync and Close. It is safe for concurrent use; its calls are made one at
// a time.
//
// From a Sync until the next write there is no temporary, and the handle reads
// what it has put in place. A write then begins a temporary that is a copy of it,
// because what is in place changes by a rename only.
type asideFile struct {
	at       *vfs.Place // where it goes, held until Close
	o        Options
	name     string // by which it was opened
	flag     int
	syncOnly bool

	mu     sync.Mutex
	f      *File     // the temporary; nil from a Sync until something is written
	placed *vfs.File // what Sync has put in place, open while f is nil
	lost   error     // why that cannot be read
	isNew  bool      // there is no file of that name yet
	dirty  bool      // something was written since the last Sync
	err    error     // of a Sync that failed, or of a write that found nowhere to go: nothing goes on after it
	closed bool
}

var (
	errNotSynced = errors.New("discarded: it was not synced")
	errReplaced  = errors.New("replaced by another file since it was synced")
	errAppend    = errors.New("invalid use of WriteAt on file opened with O_APPEND")
)

// start makes the temporary.
func (a *asideFile) start() error {
	t := &target{Place: a.at.Beside(filepath.Base(a.at.Name)), o: a.o, name: a.name}
	if err := t.look(); err != nil {
		return err
	}
	f, err := t.create()
	a.f = f
	return err
}

// resume makes a temporary that is a copy of what is in place, and stands where
// the handle stood there.
func (a *asideFile) resume() error {
	if a.lost != nil {
		return a.lost
	}
	pos, err := a.placed.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if _, err := a.placed.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := a.start(); err != nil {
		return err
	}
	if _, err := a.f.ReadFrom(a.placed); err != nil {
		return err
	}
	if _, err = a.f.Seek(pos, io.SeekStart); err != nil {
		return err
	}
	// Not past this: open, it could not be replaced on Windows.
	_ = a.placed.Close() // it was only read
	a.placed = nil
	return nil
}

func (a *asideFile) fail(op string, err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // io.EOF is never wrapped
		return err
	}
	return fail(op, a.name, err)
}

// enter locks the handle for a call, unless it is closed, cannot go on, or was
// not opened for the access asked for.
func (a *asideFile) enter(op string, denied int) (leave func(), err error) {
	a.mu.Lock()
	switch mode := a.flag & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR); {
	case a.closed:
		err = fs.ErrClosed
	case mode == denied:
		err = syscall.EBADF
	default:
		err = a.err
	}
	if err != nil {
		a.mu.Unlock()
		return nil, fail(op, a.name, err)
	}
	return a.mu.Unlock, nil
}

const (
	noRead  = os.O_WRONLY
	noWrite = os.O_RDONLY
	noLimit = -1
)

// A source is what the handle reads.
type source interface {
	io.ReadSeeker
	io.ReaderAt
	Stat() (fs.FileInfo, error)
}

// reading is enter for a call that reads.
func (a *asideFile) reading(op string, denied int) (from source, leave func(), err error) {
	leave, err = a.enter(op, denied)
	switch {
	case err != nil:
		return nil, nil, err
	case a.f != nil:
		return a.f, leave, nil
	case a.lost != nil:
		leave()
		return nil, nil, fail(op, a.name, a.lost)
	}
	return a.placed, leave, nil
}

// writing is enter for a call that writes to a.f, also if it writes nothing.
func (a *asideFile) writing(op string) (leave func(), err error) {
	leave, err = a.enter(op, noWrite)
	if err != nil {
		return nil, err
	}
	if err := a.begin(); err != nil {
		leave()
		return nil, fail(op, a.name, err)
	}
	return leave, nil
}

func (a *asideFile) begin() error {
	if a.f == nil {
		if a.err = a.resume(); a.err != nil {
			return a.err
		}
	}
	a.dirty = true
	return nil
}

func (a *asideFile) Name() string { return a.name }

func (a *asideFile) Read(p []byte) (int, error) {
	from, leave, err := a.reading("read", noRead)
	if err != nil {
		return 0, err
	}
	defer leave()
	n, err := from.Read(p)
	return n, a.fail("read", err)
}

func (a *asideFile) ReadAt(p []byte, off int64) (int, error) {
	from, leave, err := a.reading("read", noRead)
	if err != nil {
		return 0, err
	}
	defer leave()
	n, err := from.ReadAt(p, off)
	return n, a.fail("read", err)
}

func (a *asideFile) Seek(offset int64, whence int) (int64, error) {
	from, leave, err := a.reading("seek", noLimit)
	if err != nil {
		return 0, err
	}
	defer leave()
	pos, err := from.Seek(offset, whence)
	return pos, a.fail("seek", err)
}

// Stat describes the file as it will be.
func (a *asideFile) Stat() (fs.FileInfo, error) {
	from, leave, err := a.reading("stat", noLimit)
	if err != nil {
		return nil, err
	}
	defer leave()
	info, err := from.Stat()
	if err != nil {
		return nil, a.fail("stat", err)
	}
	return willBe{info, filepath.Base(a.name), info.Mode()}, nil
}

func (a *asideFile) Readdir(int) ([]fs.FileInfo, error) {
	_, err := a.Readdirnames(0)
	return nil, err
}

func (a *asideFile) Readdirnames(int) ([]string, error) {
	leave, err := a.enter("readdirent", noLimit)
	if err != nil {
		return nil, err
	}
	defer leave()
	return nil, a.fail("readdirent", syscall.ENOTDIR)
}

func (a *asideFile) Write(p []byte) (int, error) {
	leave, err := a.writing("write")
	if err != nil {
		return 0, err
	}
	defer leave()
	if a.flag&os.O_APPEND != 0 {
		if _, err := a.f.Seek(0, io.SeekEnd); err != nil {
			a.err = err // a write that failed: what there is so far must not take the place of the file
			return 0, err
		}
	}
	return a.f.Write(p)
}

func (a *asideFile) WriteString(s string) (int, error) { return a.Write([]byte(s)) }

func (a *asideFile) WriteAt(p []byte, off int64) (int, error) {
	if a.flag&os.O_APPEND != 0 {
		return 0, errAppend
	}
	leave, err := a.writing("write")
	if err != nil {
		return 0, err
	}
	defer leave()
	return a.f.WriteAt(p, off)
}

// ReadFrom implements io.ReaderFrom. A reader that has nothing to give makes no
// write of it, as with io.Copy.
func (a *asideFile) ReadFrom(r io.Reader) (int64, error) {
	leave, err := a.enter("write", noWrite)
	if err != nil {
		return 0, err
	}
	if a.flag&os.O_APPEND != 0 || a.f == nil {
		leave()
		return io.Copy(struct{ io.Writer }{a}, r)
	}
	defer leave()
	n, err := a.f.ReadFrom(r)
	a.dirty = a.dirty || n > 0
	return n, err
}

// Truncate is a write if it changes the size.
func (a *asideFile) Truncate(size int64) error {
	from, leave, err := a.reading("truncate", noLimit)
	if err != nil {
		return err
	}
	defer leave()
	if a.flag&(os.O_WRONLY|os.O_RDWR) == 0 || size < 0 {
		return a.fail("truncate", syscall.EINVAL) // as ftruncate(2) has it
	}
	info, err := from.Stat()
	if err != nil {
		a.err = err // what is there is not what it was to be
		return a.fail("truncate", err)
	}
	if info.Size() == size {
		return nil
	}
	if err := a.begin(); err != nil {
		return a.fail("truncate", err)
	}
	return a.f.Truncate(size)
}

// Sync puts the file in place, as it is now, also if nothing was written. It does
// nothing if that has been done. An error is final.
func (a *asideFile) Sync() error {
	leave, err := a.enter("sync", noLimit)
	if err != nil {
		return err
	}
	defer leave()
	if a.f == nil {
		return nil // it is there, and nothing was written since
	}
	pos, err := a.f.Seek(0, io.SeekCurrent)
	var was fs.FileInfo
	if err == nil {
		was, err = a.f.c.h.Stat()
	}
	if err == nil {
		err = a.put()
	}
	if err != nil {
		a.err = err
		return a.fail("sync", err)
	}
	// Now, because by the next call another file may have taken its place.
	a.lost = a.reopen(was, pos)
	return nil
}

// put puts the temporary in place.
func (a *asideFile) put() error {
	err := a.f.Commit()
	a.f = nil
	a.isNew, a.dirty = false, false
	a.o.NoReplace = false // what is there now is its own
	return err
}

// reopen opens what has been put in place, which is the file was, at pos.
func (a *asideFile) reopen(was fs.FileInfo, pos int64) error {
	f, err := a.at.Open(a.at.Name)
	a.placed = f
	if err != nil {
		return err
	}
	if now, err := f.Stat(); err != nil || a.at.OnDisk() && !os.SameFile(was, now) {
		return errors.Join(errReplaced, err)
	}
	_, err = f.Seek(pos, io.SeekStart)
	return err
}

// Close puts the file in place, if that is called for; see NewFs.
func (a *asideFile) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return fail("close", a.name, fs.ErrClosed)
	}
	a.closed = true
	err := a.finish()
	if a.placed != nil {
		_ = a.placed.Close() // it was only read
	}
	_ = a.at.Close()
	return a.fail("close", err)
}

// finish is Close, less what follows it. The File is closed whatever happened, and
// removes what a failure has left.
func (a *asideFile) finish() error {
	f, err := a.f, a.err
	if f == nil {
		return err
	}
	if wanted := a.dirty || a.isNew; wanted && err == nil {
		if a.syncOnly {
			err = errNotSynced
		} else {
			err = a.put()
		}
	}
	if cerr := f.leave(); cerr != nil {
		err = errors.Join(err, cerr)
	}
	return err
}
