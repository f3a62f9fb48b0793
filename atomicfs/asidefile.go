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

// fail returns err under the name that the file was opened by. A read's io.EOF stays
// as it is. nil stays nil.
func (a *asideFile) fail(op string, err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // io.EOF is never wrapped
		return err
	}
	return fail(op, a.name, err)
}

// enter locks the handle for a call, unless it is closed, cannot go on, or was
// not opened for the access asked for. leave gives the lock back; it is nil if there
// is an error.
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

// What enter refuses: calls on a file that was opened for the other access alone.
const (
	noRead  = os.O_WRONLY
	noWrite = os.O_RDONLY
	noLimit = -1
)

var errAppend = errors.New("invalid use of WriteAt on file opened with O_APPEND")

// A source is what the handle reads.
type source interface {
	io.ReadSeeker
	io.ReaderAt
	Stat() (fs.FileInfo, error)
}

// reading is enter for a call that reads: the temporary, or what is in place.
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

// Name is the one that the file was opened by, never the temporary's.
func (a *asideFile) Name() string { return a.name }

// Read reads back what was written, whether it is in place yet or not.
func (a *asideFile) Read(p []byte) (int, error) {
	from, leave, err := a.reading("read", noRead)
	if err != nil {
		return 0, err
	}
	defer leave()
	n, err := from.Read(p)
	return n, a.fail("read", err)
}

// ReadAt is Read at off, and moves nothing.
func (a *asideFile) ReadAt(p []byte, off int64) (int, error) {
	from, leave, err := a.reading("read", noRead)
	if err != nil {
		return 0, err
	}
	defer leave()
	n, err := from.ReadAt(p, off)
	return n, a.fail("read", err)
}

// Seek begins no temporary: the next one goes on from where this has led.
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

// Readdir and Readdirnames fail: what is written aside is no directory.
func (a *asideFile) Readdir(int) ([]fs.FileInfo, error) {
	_, err := a.Readdirnames(0)
	return nil, err
}

// Readdirnames: see Readdir.
func (a *asideFile) Readdirnames(int) ([]string, error) {
	leave, err := a.enter("readdirent", noLimit)
	if err != nil {
		return nil, err
	}
	defer leave()
	return nil, a.fail("readdirent", syscall.ENOTDIR)
}

// Write appends where O_APPEND asks for it: what was truncated, and so is aside, can
// be opened to be appended to. One that fails keeps the file from its place.
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

// WriteString goes by Write, so that one place knows about appending.
func (a *asideFile) WriteString(s string) (int, error) { return a.Write([]byte(s)) }

// WriteAt is refused on a file opened to be appended to, as of an *os.File.
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
	// Each piece is then appended, or begins the temporary, as a write of its own.
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
		a.err = err // as in Write: what is there is not what it was to be
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
