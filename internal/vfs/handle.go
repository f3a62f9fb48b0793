package vfs

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/spf13/afero"
)

// A handle makes an afero.File behave as an *os.File does: it keeps the offset
// itself, checks what the file may not check, ends a file with io.EOF, and is
// safe for concurrent use. Its calls of the file are those that the caller made,
// with a Seek before them only where the file stands elsewhere. Its errors are
// *fs.PathError with the name that the file was opened by.
type handle struct {
	f    afero.File
	name string
	flag int
	v    FS // whose guard keeps appenders apart

	mu     sync.Mutex
	pos    int64 // where the caller stands
	at     int64 // where f stands, or -1 if that is not known
	closed bool
	seeks  bool // f.WriteAt does nothing, as sftpfs's: seek and write instead
	listed bool // f is a directory that has been read
	ended  bool // and there is no more of it
}

// newHandle returns a handle over f, which v opened as name with flag. The flag
// is kept because not every Fs refuses what the file was not opened for. The
// handle owns f, and takes it to stand at its start.
func newHandle(v FS, f afero.File, name string, flag int) *handle {
	return &handle{v: v, f: f, name: name, flag: flag}
}

var (
	errWhence   = errors.New("invalid whence")
	errNegative = errors.New("negative offset")
	errSftpfs   = &refusal{"sftpfs syncs nothing", errors.ErrUnsupported}
	errAppend   = errors.New("invalid use of WriteAt on file opened with O_APPEND")
)

// fail puts the name that the caller used in the place of the one that f knows.
// io.EOF stays bare, as io.Reader has it.
func (h *handle) fail(op string, err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // io.EOF is never wrapped
		return err
	}
	return fail(op, h.name, err)
}

// enter locks the handle for a call, unless it is closed or was not opened for
// the access asked for. leave gives the lock back; it is nil if there is an
// error. MemMapFs reads what was opened for writing alone, and writes to what
// O_RDONLY|O_CREATE has opened, so the check is here.
func (h *handle) enter(op string, denied int) (leave func(), err error) {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil, h.fail(op, fs.ErrClosed)
	}
	if mode := h.flag & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR); denied >= 0 && mode == denied {
		h.mu.Unlock()
		return nil, h.fail(op, syscall.EBADF)
	}
	return h.mu.Unlock, nil
}

// What enter refuses: calls on a file that was opened for the other access alone.
const (
	noRead  = os.O_WRONLY
	noWrite = os.O_RDONLY
	noLimit = -1
)

// Name returns the name that the file was opened by, also after Close.
func (h *handle) Name() string { return h.name }

// seek moves f to off, if it does not stand there. The lock must be held.
func (h *handle) seek(off int64) error {
	if h.at == off {
		return nil
	}
	// In case it fails: nobody can say then where f stands.
	h.at = -1
	if _, err := h.f.Seek(off, io.SeekStart); err != nil {
		return err
	}
	h.at = off
	return nil
}

// Read reads at the offset. Past the end it says io.EOF, however far. It reads
// less than asked for where f does.
func (h *handle) Read(p []byte) (int, error) {
	leave, err := h.enter("read", noRead)
	if err != nil {
		return 0, err
	}
	defer leave()
	// Nothing was asked for. ended would take the nothing that was read for the
	// end.
	if len(p) == 0 {
		return 0, nil
	}
	if err := h.seek(h.pos); err != nil {
		return 0, h.fail("read", err)
	}
	n, err := h.f.Read(p)
	h.pos += int64(n)
	h.at = h.pos
	return n, h.fail("read", ended(n, err))
}

// ended returns the error of a read as os.File gives it. MemMapFs says
// io.ErrUnexpectedEOF past the end, and a union says nothing at all.
func ended(n int, err error) error {
	switch {
	// What was read comes first; the end is said by the next call.
	case n > 0 && (err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF)): //nolint:errorlint // io.EOF is never wrapped
		return nil
	case n == 0 && (err == nil || errors.Is(err, io.ErrUnexpectedEOF)):
		return io.EOF
	}
	return err
}

// ReadAt fills p or says why not, as io.ReaderAt asks and MemMapFs does not. A
// negative offset, at which MemMapFs panics, is refused. Calls of it take turns,
// because MemMapFs moves the offset while it reads.
func (h *handle) ReadAt(p []byte, off int64) (n int, err error) {
	leave, err := h.enter("read", noRead)
	if err != nil {
		return 0, err
	}
	defer leave()
	if off < 0 {
		return 0, h.fail("readat", errNegative)
	}
	// A union's ReadAt leaves its base elsewhere.
	h.at = -1
	// MemMapFs returns less than was asked for, and no error.
	for n < len(p) {
		m, err := h.f.ReadAt(p[n:], off+int64(n))
		n += m
		if err = ended(m, err); err != nil {
			return n, h.fail("read", err)
		}
	}
	return n, nil
}

// Write writes at the offset, or at the end of a file opened to be appended to. A
// write that is short without a reason is io.ErrShortWrite. Others that append to
// the file by this package are kept apart as long as the guard knows them;
// another process is not. Afterwards the offset is behind what was written,
// appended or not.
func (h *handle) Write(p []byte) (int, error) {
	leave, err := h.enter("write", noWrite)
	if err != nil {
		return 0, err
	}
	defer leave()
	if h.flag&os.O_APPEND != 0 {
		// Every Fs has its own idea of appending; under the guard this is one step.
		defer h.v.guard(h.name)()
		// Asked each time: another handle may have made the file longer.
		info, err := h.f.Stat()
		if err != nil {
			return 0, h.fail("write", err)
		}
		h.pos = info.Size()
	}
	n, err := h.write(p, h.pos)
	h.pos += int64(n)
	return n, h.fail("write", err)
}

// maxInMemory is more than any memory holds, and less than a disk does: MemMapFs
// fills a hole with zeros, and asking for too many ends the process.
const maxInMemory = 1 << 40

// tooFar reports whether a file cannot reach to n bytes past off. Neither may be
// negative.
func (h *handle) tooFar(off int64, n int) bool {
	limit := int64(math.MaxInt64)
	if h.v.lock != nil {
		// No slice is longer than an int can say.
		limit = min(maxInMemory, math.MaxInt)
	}
	return off > limit-int64(n)
}

// write writes p at off by seeking there first. It returns how many bytes are
// there, with an error if they are not all. The lock must be held.
func (h *handle) write(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if h.tooFar(off, len(p)) {
		return 0, syscall.EFBIG
	}
	if err := h.seek(off); err != nil {
		return 0, err
	}
	n, err := h.f.Write(p)
	// A count that cannot be is not let into the offset.
	if n < 0 || n > len(p) {
		n = 0
	}
	h.at = off + int64(n)
	if n < len(p) && err == nil {
		err = io.ErrShortWrite
	}
	if err != nil {
		h.at = -1
	}
	return n, err
}

// WriteAt leaves the offset alone, and the size too if p is empty. It is refused
// on a file opened to be appended to, as of an *os.File; MemMapFs would do it.
func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	leave, err := h.enter("write", noWrite)
	if err != nil {
		return 0, err
	}
	defer leave()
	switch {
	case h.flag&os.O_APPEND != 0:
		return 0, errAppend
	case off < 0:
		return 0, h.fail("writeat", errNegative)
	case len(p) == 0:
		return 0, nil
	case h.tooFar(off, len(p)):
		return 0, h.fail("write", syscall.EFBIG)
	}
	// Once found to do nothing it is not asked again: each attempt is a call over
	// a network.
	if !h.seeks {
		// MemMapFs writes by moving the offset, and leaves it there.
		h.at = -1
		n, err := h.f.WriteAt(p, off)
		if n != 0 || err != nil {
			if n < len(p) && err == nil {
				err = io.ErrShortWrite
			}
			return n, h.fail("write", err)
		}
		h.seeks = true
	}
	n, err := h.write(p, off)
	return n, h.fail("write", err)
}

// WriteString goes by Write, so that one place knows about appending and offsets.
func (h *handle) WriteString(s string) (int, error) { return h.Write([]byte(s)) }

// Seek moves the offset, and f only when it is next read or written. Past the end
// it makes no file longer; what it refuses leaves the offset where it was.
func (h *handle) Seek(offset int64, whence int) (int64, error) {
	leave, err := h.enter("seek", noLimit)
	if err != nil {
		return 0, err
	}
	defer leave()
	base := int64(0)
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		base = h.pos
	case io.SeekEnd:
		info, err := h.f.Stat()
		if err != nil {
			return 0, h.fail("seek", err)
		}
		base = info.Size()
	default:
		// MemMapFs would do nothing and return nil.
		return 0, h.fail("seek", errWhence)
	}
	pos := base + offset
	// The second is the sum that runs over. MemMapFs takes a negative offset, and
	// panics when it next reads.
	if pos < 0 || offset > 0 && pos < base {
		return 0, h.fail("seek", syscall.EINVAL)
	}
	if h.listed && pos == 0 && whence != io.SeekCurrent {
		// A directory is read again from its start, to which not every Fs goes back.
		f, err := h.v.fsys.Open(h.name)
		if err != nil {
			return 0, h.fail("seek", err)
		}
		_ = h.f.Close() // open for reading: there is nothing that it could fail to write
		h.f, h.listed, h.ended = f, false, false
	}
	h.pos = pos
	return pos, nil
}

// Truncate changes the size and not the offset, which may be past the end then.
// What it grows by reads as zeros.
func (h *handle) Truncate(size int64) error {
	leave, err := h.enter("truncate", noWrite)
	if err != nil {
		if errors.Is(err, syscall.EBADF) {
			err = h.fail("truncate", syscall.EINVAL) // as ftruncate(2) has it
		}
		return err
	}
	defer leave()
	switch {
	case size < 0:
		return h.fail("truncate", syscall.EINVAL)
	case h.tooFar(size, 0):
		return h.fail("truncate", syscall.EFBIG)
	}
	h.at = -1
	return h.fail("truncate", h.f.Truncate(size))
}

// Sync passes on what the Fs says: that it cannot sync a file is no success. Nor is
// what it says if it is known to do nothing.
func (h *handle) Sync() error {
	leave, err := h.enter("sync", noLimit)
	if err != nil {
		return err
	}
	defer leave()
	if h.v.sftpfs() {
		return h.fail("sync", errSftpfs)
	}
	return h.fail("sync", h.f.Sync())
}

// Close closes f once. A second Close is fs.ErrClosed, as of an *os.File; who
// promises nil asks no second time. An error means that what was written may not
// be there; the file is closed all the same.
func (h *handle) Close() error {
	leave, err := h.enter("close", noLimit)
	if err != nil {
		return err
	}
	defer leave()
	// Before the call, and whatever it says: a file that failed to close is not
	// open.
	h.closed = true
	err = h.f.Close()
	if _, union := h.f.(*afero.UnionFile); union && errors.Is(err, afero.BADFD) {
		return nil // some versions return this after they have closed both files
	}
	return h.fail("close", err)
}

// Stat returns what the file is now: MemMapFs's FileInfo changes with the file.
// Its name is the last element of the one that the file was opened by.
func (h *handle) Stat() (fs.FileInfo, error) {
	leave, err := h.enter("stat", noLimit)
	if err != nil {
		return nil, err
	}
	defer leave()
	info, err := h.f.Stat()
	if err != nil {
		return nil, h.fail("stat", err)
	}
	return still(info, filepath.Base(h.name)), nil
}
