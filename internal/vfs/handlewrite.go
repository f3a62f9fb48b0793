package vfs

import (
	"errors"
	"io"
	"math"
	"os"
	"syscall"
)

// What a handle does that changes the file.

var (
	errSftpfs = &refusal{"sftpfs syncs nothing", errors.ErrUnsupported}
	errAppend = errors.New("invalid use of WriteAt on file opened with O_APPEND")
)

// Write writes at the offset, or at the end of a file opened to be appended to. A
// write that is short without a reason is io.ErrShortWrite. Others that append to
// the file by this package are kept apart as long as the guard knows them;
// another process is not. Afterwards the offset is behind what was written,
// appended or not.
func (h *handle) Write(p []byte) (int, error) {
	if err := h.enter("write", noWrite); err != nil {
		return 0, err
	}
	defer h.mu.Unlock()
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
	if err := h.enter("write", noWrite); err != nil {
		return 0, err
	}
	defer h.mu.Unlock()
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

// Truncate changes the size and not the offset, which may be past the end then.
// What it grows by reads as zeros.
func (h *handle) Truncate(size int64) error {
	if err := h.enter("truncate", noWrite); err != nil {
		if errors.Is(err, syscall.EBADF) {
			err = h.fail("truncate", syscall.EINVAL) // as ftruncate(2) has it
		}
		return err
	}
	defer h.mu.Unlock()
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
	if err := h.enter("sync", noLimit); err != nil {
		return err
	}
	defer h.mu.Unlock()
	if h.v.sftpfs() {
		return h.fail("sync", errSftpfs)
	}
	return h.fail("sync", h.f.Sync())
}
