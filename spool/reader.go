package spool

import (
	"io"
	"io/fs"
	"sync"
)

// A Reader reads a spool from an offset of its own.
//
// It is like a second descriptor of one file: it reads what is there at that
// moment, wherever that is, and so sees what is written after it was made.
// Closing or committing the spool leaves it the contents as they were then;
// Reset takes them away, so that it finds its end. What it reads is kept, and
// counted in the spool's Budget, until it is closed. A Reader is safe for
// concurrent use, and any number of them read side by side.
type Reader struct {
	s      *store
	mu     sync.Mutex // taken before the lock of the store
	off    int64
	closed bool
}

// use locks the reader and the store, for reading, unless the reader is closed.
// It is followed by done. That the spool is closed is no matter: a reader is a
// user of the store like it.
func (r *Reader) use(op string) error {
	r.mu.Lock()
	r.s.mu.RLock()
	if r.closed {
		defer r.done()
		return r.s.fail(op, fs.ErrClosed)
	}
	return nil
}

func (r *Reader) done() {
	r.s.mu.RUnlock()
	r.mu.Unlock()
}

// Read reads what is at the reader's offset and moves it. At the end it returns
// io.EOF; when more has been written, it reads that.
func (r *Reader) Read(p []byte) (int, error) {
	if err := r.use("read"); err != nil {
		return 0, err
	}
	defer r.done()
	n, err := r.s.readAt(p, r.off)
	r.off += int64(n)
	if n > 0 && err == io.EOF { //nolint:errorlint // io.EOF is never wrapped
		err = nil
	}
	return n, err
}

// ReadAt reads what is at off, and leaves the reader's offset alone. If it is
// short, the error is io.EOF.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	// Its own lock is not held while it reads: it protects the offset, and many
	// ReadAt may run at once.
	if err := r.use("read"); err != nil {
		return 0, err
	}
	defer r.s.mu.RUnlock()
	r.mu.Unlock()
	if off < 0 {
		return 0, r.s.fail("readat", errNegative)
	}
	return r.s.readAt(p, off)
}

// Seek moves the reader's offset, also past the end. If it is refused, the offset
// is where it was.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	if err := r.use("seek"); err != nil {
		return 0, err
	}
	defer r.done()
	off, err := seek(r.off, r.s.size(), offset, whence)
	if err != nil {
		return 0, r.s.fail("seek", err)
	}
	r.off = off
	return off, nil
}

// Close ends the reading. If the spool is closed and nobody else reads it, its
// contents go now. A second Close returns nil.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if err := r.s.leave(); err != nil {
		return r.s.fail("close", err)
	}
	return nil
}
