package spool

import (
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/spf13/afero"
)

// A File is an afero.File that lives in memory while it is small. In either
// place it behaves as an os.File does. It is safe for concurrent use.
//
// After Close or Commit every call but Name and Close fails with fs.ErrClosed.
type File struct {
	afero.File // the handle below: the calls that every file has
	h          handle
}

// Close discards the contents. A second Close returns nil.
//
// If the disk file could not be removed, Close says so, and may be called again.
func (f *File) Close() error { return f.h.Close() }

// ReadFrom writes what r has left, until EOF. If that would pass
// Options.MaxSize, what r gave before stays, and nothing of what it gave last.
func (f *File) ReadFrom(r io.Reader) (int64, error) { return f.h.ReadFrom(r) }

// WriteTo writes what is left of the contents to w. If w fails, the offset is
// behind the last byte that it took.
func (f *File) WriteTo(w io.Writer) (int64, error) { return f.h.WriteTo(w) }

// Size returns the size of the contents in bytes, which is 0 after Close. It waits
// for a write under way, and for no reader.
func (f *File) Size() int64 {
	f.h.mu.RLock()
	defer f.h.mu.RUnlock()
	if f.h.closed {
		return 0
	}
	return f.h.size()
}

// Bytes returns a copy of the contents, wherever they are and whatever the offset.
func (f *File) Bytes() ([]byte, error) {
	h := &f.h
	if err := h.beginRead("read"); err != nil {
		return nil, err
	}
	defer h.mu.RUnlock()
	size := h.size()
	if int64(int(size)) != size {
		return nil, h.fail("read", syscall.EFBIG)
	}
	b := make([]byte, size)
	n, err := h.readAt(b, 0)
	if err == io.EOF { //nolint:errorlint // io.EOF is never wrapped
		err = nil
	}
	return b[:n], err
}

// NewReader returns a reader of its own offset. It reads on across a spill and
// after Close of f.
func (f *File) NewReader() *Reader {
	h := &f.h
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &Reader{s: &h.store, closed: h.closed}
	if !h.closed {
		h.users++
	}
	return r
}

// Spilled reports whether the contents are on the disk side. (Python: _rolled)
func (f *File) Spilled() bool { return f.h.isSpilled() }

// Spill moves the contents to the disk side now. If it fails, contents and
// offset are as they were, in memory, and it may be tried again. (Python:
// rollover)
//
// If they are there already, it writes out what is gathered.
func (f *File) Spill() error {
	h := &f.h
	if err := h.begin("spill"); err != nil {
		return err
	}
	defer h.end()
	return h.settleOnDisk("spill")
}

// settleOnDisk spills, and writes out what is gathered: others may look at the
// file then.
func (h *handle) settleOnDisk(op string) error {
	if err := h.spill(); err != nil {
		return err
	}
	if err := h.file.flush(); err != nil {
		return h.fail(op, err)
	}
	return nil
}

// OSFile spills and returns the os.File, or errors.ErrUnsupported where the
// disk side is not the operating system's. (Python: fileno)
//
// It is f's own: from then on the two share one offset, each sees at once what
// the other writes, and f goes on to own it. Do not close it.
func (f *File) OSFile() (*os.File, error) {
	h := &f.h
	if err := h.begin("open"); err != nil {
		return nil, err
	}
	defer h.end()
	if err := h.settleOnDisk("open"); err != nil {
		return nil, err
	}
	if h.file.os == nil {
		return nil, h.fail("open", errors.ErrUnsupported)
	}
	h.file.shared = true
	return h.file.os, nil
}

// Reset empties the spool and takes it back to memory. If the disk file could not
// be removed, the spool is of no more use, and Close tries again.
func (f *File) Reset() error {
	h := &f.h
	if err := h.begin("reset"); err != nil {
		return err
	}
	defer h.mu.Unlock()
	if err := h.drop(); err != nil {
		return h.fail("reset", err)
	}
	h.off, h.name = 0, ""
	h.touch()
	return nil
}
