package spool

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"syscall"
	"time"
)

// A handle is the calls of afero.File on a store: what a File is, less what only
// a spool can do.
//
// It answers as an *os.File on Linux does, call by call and error by error. That
// is the one specification: where an answer seems odd, it is the system's.
type handle struct {
	store
	off int64 // the next Read or Write; it may be past the end
}

// errNegative is what package os says of an offset below 0, in words of its own.
var errNegative = errors.New("negative offset")

// begin locks the store for a call, unless the spool is closed: then it returns
// an error of op. Every begin that returns nil is followed by an end.
//
// What is all about memory is decided here, because small writes there are
// measured in nanoseconds; the rest is follow's.
func (h *handle) begin(op string) error {
	h.mu.Lock()
	if !h.closed && h.file == nil {
		return nil
	}
	err := h.follow()
	if err != nil {
		err = h.fail(op, err)
		h.mu.Unlock()
	}
	return err
}

// follow is what begin does where it is not all about memory: it refuses a spool
// that is closed, and takes the offset from whoever has the os.File.
func (h *handle) follow() error {
	if h.closed {
		return fs.ErrClosed
	}
	if !h.file.shared {
		return nil
	}
	off, err := h.file.os.Seek(0, io.SeekCurrent)
	if err == nil {
		h.off = off
	}
	return err
}

// end unlocks the store. Whoever has the os.File sees the offset move with it.
func (h *handle) end() {
	if h.file != nil && h.file.shared {
		_, _ = h.file.os.Seek(h.off, io.SeekStart) // begin has sought in it
	}
	h.mu.Unlock()
}

// beginRead is begin for a call that moves nothing: many may run at once. It is
// followed by h.mu.RUnlock.
func (h *handle) beginRead(op string) error {
	h.mu.RLock()
	if h.closed {
		defer h.mu.RUnlock()
		return h.fail(op, fs.ErrClosed)
	}
	return nil
}

// Read reads what is at the offset and moves it. At the end and past it the error
// is io.EOF, unless p is empty; before it there is none, however short the read.
func (h *handle) Read(p []byte) (int, error) {
	if err := h.begin("read"); err != nil {
		return 0, err
	}
	defer h.end()
	n, err := h.readAt(p, h.off)
	h.off += int64(n)
	if n > 0 && err == io.EOF { //nolint:errorlint // io.EOF is never wrapped
		err = nil
	}
	return n, err
}

// ReadAt reads what is at off and moves nothing. A read that is short is one with
// io.EOF, unless p is empty. Any number of them run side by side.
func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	if err := h.beginRead("read"); err != nil {
		return 0, err
	}
	defer h.mu.RUnlock()
	if off < 0 {
		return 0, h.fail("readat", errNegative)
	}
	return h.readAt(p, off)
}

// Write writes p at the offset, past the end with a hole before it, and moves the
// offset by what it wrote. With nothing to write it changes nothing. If it would
// spill and cannot, or would pass MaxSize, nothing of p is stored.
func (h *handle) Write(p []byte) (int, error) {
	if err := h.begin("write"); err != nil {
		return 0, err
	}
	defer h.end()
	n, err := h.writeAt(p, h.off)
	h.off += int64(n)
	return n, err
}

// WriteAt is Write at off, and moves nothing.
func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	if err := h.begin("write"); err != nil {
		return 0, err
	}
	defer h.end()
	if off < 0 {
		return 0, h.fail("writeat", errNegative)
	}
	return h.writeAt(p, off)
}

// WriteString is Write for a string.
func (h *handle) WriteString(s string) (int, error) { return h.Write([]byte(s)) }

// Seek moves the offset, also past the end, which makes nothing larger and so
// never spills. If it is refused, the offset is where it was.
func (h *handle) Seek(offset int64, whence int) (int64, error) {
	if err := h.begin("seek"); err != nil {
		return 0, err
	}
	defer h.end()
	off, err := seek(h.off, h.size(), offset, whence)
	if err != nil {
		return 0, h.fail("seek", err)
	}
	h.off = off
	return off, nil
}

// seek returns the offset that Seek goes to from off, or EINVAL: for a whence
// that is none of the three, and for what lies before 0 or past the end of int64.
func seek(off, size, offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
		off = 0
	case io.SeekCurrent:
	case io.SeekEnd:
		off = size
	default:
		return 0, syscall.EINVAL
	}
	if offset > math.MaxInt64-off || off+offset < 0 {
		return 0, syscall.EINVAL
	}
	return off + offset, nil
}

// Truncate makes the contents that large: what is cut off is gone, what is added
// is zero and takes no memory. It moves no offset. Past MaxMemory it spills.
func (h *handle) Truncate(size int64) error {
	if err := h.begin("truncate"); err != nil {
		return err
	}
	defer h.end()
	return h.truncate(size)
}

// Sync does nothing in memory: there is nowhere that the contents would survive
// a crash. On the disk side it writes out what is gathered, and is fsync. What
// could not be written is still there, and the next Sync tries again.
func (h *handle) Sync() error {
	if err := h.begin("sync"); err != nil {
		return err
	}
	defer h.end()
	if !h.spilled {
		return nil
	}
	err := h.file.flush()
	if err == nil {
		err = h.file.via.Sync()
	}
	if err != nil {
		return h.fail("sync", err)
	}
	return nil
}

// Stat describes the contents as they are now; the result does not change when
// they do. The size counts what is gathered, and the time is that of the last
// write to the spool, not of the one that reached the disk. Sys is nil in memory.
func (h *handle) Stat() (fs.FileInfo, error) {
	if err := h.begin("stat"); err != nil {
		return nil, err
	}
	defer h.end()
	foreign := h.touched == 0 && h.modified == 0 // nothing was written by this spool
	i := &info{name: h.name, size: h.size(), modified: h.modTime(), mode: h.temp.Perm & fs.ModePerm}
	if i.mode == 0 {
		i.mode = 0o600
	}
	if i.name != "" {
		i.name = filepath.Base(i.name)
	}
	if !h.spilled {
		return i, nil
	}
	under, err := h.file.via.Stat()
	if err != nil {
		return nil, h.fail("stat", err)
	}
	i.mode, i.sys = under.Mode(), under.Sys()
	if h.file.shared || foreign {
		h.modified = 0
		i.modified = under.ModTime()
	}
	return i, nil
}

// An info describes a spool as an os.File describes a file.
type info struct {
	name     string
	size     int64
	mode     fs.FileMode
	modified time.Time
	sys      any
}

func (i *info) Name() string       { return i.name }
func (i *info) Size() int64        { return i.size }
func (i *info) Mode() fs.FileMode  { return i.mode }
func (i *info) ModTime() time.Time { return i.modified }
func (i *info) IsDir() bool        { return false }
func (i *info) Sys() any           { return i.sys }

// Readdir and Readdirnames are refused with ENOTDIR: a spool is no directory.
func (h *handle) Readdir(int) ([]fs.FileInfo, error) {
	return nil, h.notDir("readdir")
}

// Readdirnames: see Readdir.
func (h *handle) Readdirnames(int) ([]string, error) {
	return nil, h.notDir("readdirent")
}

func (h *handle) notDir(op string) error {
	if err := h.beginRead(op); err != nil {
		return err
	}
	defer h.mu.RUnlock()
	return h.fail(op, syscall.ENOTDIR)
}

// Name returns the path of the disk file, or "" if the contents are in memory or
// the file has none. It still answers after Close.
func (h *handle) Name() string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.name
}

// Close discards the contents, unless a Reader still reads them. If it could not
// remove the disk file, it tries again when it is called again.
func (h *handle) Close() (err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !h.closed:
		h.closed = true
		err = h.leave()
	case h.users == 0:
		err = h.drop()
	}
	if err != nil {
		return h.fail("close", err)
	}
	return nil
}
